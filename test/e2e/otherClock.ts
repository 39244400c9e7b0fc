import execa from "execa";

/** The library that gives programs another clock. */
export async function clockLibrary(): Promise<string> {
  const { stdout } = await execa("dpkg", ["-L", "libfaketime"]);
  return stdout.split("\n").find((path) => path.endsWith("/libfaketime.so.1")) ?? "";
}

/** Variables that give a program of this machine a clock that is off by so much: `-1y`. The monotonic clock stays. */
export async function clockVariables(offset: string): Promise<Record<string, string>> {
  const library = await clockLibrary();
  return { LD_PRELOAD: library, FAKETIME: offset, FAKETIME_DONT_FAKE_MONOTONIC: "1", NO_FAKE_STAT: "1" };
}
