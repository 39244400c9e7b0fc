// node loads a reporter as a module, which the TypeScript loader of a test process, made for require() alone, doesn't see.
import { createRequire } from "node:module";

export default createRequire(import.meta.url)("./reporter.ts");
