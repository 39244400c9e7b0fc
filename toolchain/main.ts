/** A command of toolchain/run; resolves with its exit code. */
type Command = (args: string[]) => Promise<number>;

const commands: Record<string, [description: string, load: () => Promise<Command>]> = {
  up: ["make the lab and bring the dev stack up in it", async () => (await import("./commands/stack")).up],
  down: ["destroy the dev stack and the lab", async () => (await import("./commands/stack")).down],
  env: ["print the line that puts the engine into a shell", async () => (await import("./commands/engine")).env],
  pulumi: ["run the engine", async () => (await import("./commands/engine")).pulumi],
  lab: ["look into the lab: ls, exec, logs, kill, down", async () => (await import("./commands/lab")).lab],
  test: [
    "run all tests, or some: words, --layer, --kind, --changed, --list",
    async () => (await import("./commands/test")).all,
  ],
  "test:unit": ["run the tests that need no root and no lab", async () => (await import("./commands/test")).unit],
  "test:watch": [
    "run the unit tests that a changed file concerns",
    async () => (await import("./testing/watch")).watch,
  ],
  lint: ["check formatting, types and rules", async () => (await import("./commands/lint")).lint],
  bench: ["measure", async () => (await import("./commands/lab")).bench],
};

async function main([name = "help", ...args]: string[]): Promise<number> {
  const command = commands[name];
  if (command !== undefined) return (await command[1]())(args);
  const help = name === "help" || name === "--help";
  const list = Object.entries(commands).map(([known, [description]]) => `  ${known.padEnd(10)} ${description}`);
  const text = ["usage: toolchain/run COMMAND [ARGUMENT…]", ...list, ""].join("\n");
  process[help ? "stdout" : "stderr"].write(help ? text : `toolchain/run: no command ${name}\n${text}`);
  return help ? 0 : 2;
}

main(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  },
);
