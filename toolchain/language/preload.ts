// Preloaded into the program.
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { cacheModules } from "../start/moduleCache";
import "./lazy";

// Pulumi's SDK sets this flag half-way through its start, and V8 uses no compiled code that was made under other flags.
setFlagsFromString("--allow-natives-syntax");

const home = process.env["PULUMI_HOME"];
if (home !== undefined) cacheModules(join(home, "compiled/program"));
