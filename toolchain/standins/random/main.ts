import { version } from "@pulumi/random/package.json";
import { main } from "../rpc/provider";
import { randomBytesResource } from "./randomBytes";

main({
  name: "random",
  version,
  config: {},
  configure: () => undefined,
  resources: () => ({ "random:index/randomBytes:RandomBytes": randomBytesResource }),
});
