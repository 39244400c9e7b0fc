import { version } from "@pulumi/command/package.json";
import { main } from "../rpc/provider";
import { remoteCommand } from "./remoteCommand";

main({
  name: "command",
  version,
  config: {},
  configure: () => undefined,
  resources: () => ({ "command:remote:Command": remoteCommand }),
});
