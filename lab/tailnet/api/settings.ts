import { Tailnet } from "../tailnet";
import { jsonOf, Route } from "./app";

const dns = "/tailnet/:tailnet/dns";

/** MagicDNS, and what a new tailnet has set otherwise; only MagicDNS can be changed here. */
export function settingsRoutes(route: Route, tailnet: Tailnet): void {
  const { state } = tailnet.store;
  route("GET", `${dns}/preferences`, "dns", () => Promise.resolve({ magicDNS: state.magicDns }));
  route("POST", `${dns}/preferences`, "dns", async ({ body }) => {
    state.magicDns = jsonOf(body)["magicDNS"] === true;
    tailnet.store.save();
    // headscale reads it only when it starts; devices come back by themselves.
    await tailnet.backend.ensure();
    return { magicDNS: state.magicDns };
  });
  route("GET", `${dns}/nameservers`, "dns", () => Promise.resolve({ dns: [] }));
  route("GET", `${dns}/searchpaths`, "dns", () => Promise.resolve({ searchPaths: [] }));
  route("GET", `${dns}/split-dns`, "dns", () => Promise.resolve({}));
  route("GET", "/tailnet/:tailnet/settings", "feature_settings", () =>
    Promise.resolve({
      aclsExternallyManagedOn: false,
      aclsExternalLink: "",
      devicesApprovalOn: false,
      devicesAutoUpdatesOn: false,
      devicesKeyDurationDays: 180,
      usersApprovalOn: false,
      usersRoleAllowedToJoinExternalTailnets: "none",
      networkFlowLoggingOn: false,
      regionalRoutingOn: false,
      postureIdentityCollectionOn: false,
      httpsEnabled: false,
    }),
  );
}
