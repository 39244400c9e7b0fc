import { after, describe } from "node:test";

// Runs several test files in one process, one after the other: `many.ts FILE…`, whole paths. Each is a suite, so its hooks are for its own
// tests only, and it is loaded when the one before it has ended, so what it does to the process while it loads concerns nobody before it.

async function main(): Promise<void> {
  for (const file of process.argv.slice(2)) {
    await new Promise<void>((ended) => {
      void describe(file, () => {
        // eslint-disable-next-line @typescript-eslint/no-require-imports -- a suite is described before the next line runs
        require(file);
        after(() => {
          ended();
        });
      });
    });
  }
}

void main();
