import { version } from "@pulumi/random/package.json";
import { main } from "../rpc/provider";
import { randomBytesResource } from "./randomBytes";
import { randomPasswordResource } from "./randomPassword";

main({
  name: "random",
  version,
  config: {},
  configure: () => undefined,
  resources: () => ({
    "random:index/randomBytes:RandomBytes": randomBytesResource,
    "random:index/randomPassword:RandomPassword": randomPasswordResource,
  }),
});
