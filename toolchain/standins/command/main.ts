import { version } from "@pulumi/command/package.json";
import { main } from "../rpc/provider";
import { localCommand } from "./localCommand";
import { remoteCommand } from "./remoteCommand";

main({
  name: "command",
  version,
  config: {},
  configure: () => undefined,
  resources: () => ({ "command:local:Command": localCommand, "command:remote:Command": remoteCommand }),
});
