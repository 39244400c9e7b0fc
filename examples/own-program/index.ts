import * as pulumi from "@pulumi/pulumi";
import { readBefore } from "../../components/before";
import { Host } from "../../components/host";

/** A host among whatever else this program has. Needed: `pulumi config set publicKey "$(cat ~/.ssh/id_ed25519.pub)"`, and `hcloud:token`. */
export = async (): Promise<Record<string, unknown>> => {
  const config = new pulumi.Config();
  const home = new Host("home", {
    authorizedKeys: [config.require("publicKey")],
    server: { type: pulumi.output("cx33"), location: "hel1" }, // an output, as another resource would have one
    tailnet: { enabled: false },
    before: await readBefore(),
  });
  return { ssh: home.sshCommand, dashboard: home.dashboardUrl };
};
