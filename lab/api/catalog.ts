import { vendorOfImage } from "../host/suites";

/** What the provider sells: a likeness of the real lists, so that names, limits and mistakes behave as there. */

/** A place with data centers. */
export interface Location {
  readonly id: number;
  readonly name: string;
  readonly description: string;
  readonly country: string;
  readonly city: string;
  readonly latitude: number;
  readonly longitude: number;
  readonly network_zone: string;
}

const location = (
  id: number,
  name: string,
  country: string,
  city: string,
  [latitude, longitude]: readonly [number, number],
  network_zone = "eu-central",
): Location => {
  const description = `${city} DC Park 1`;
  return { id, name, description, country, city, latitude, longitude, network_zone };
};

export const locations: readonly Location[] = [
  location(1, "fsn1", "DE", "Falkenstein", [50.47612, 12.370071]),
  location(2, "nbg1", "DE", "Nuremberg", [49.452102, 11.076665]),
  location(3, "hel1", "FI", "Helsinki", [60.169855, 24.938379]),
  location(4, "ash", "US", "Ashburn, VA", [39.045821, -77.487073], "us-east"),
  location(5, "hil", "US", "Hillsboro, OR", [45.54222, -122.951924], "us-west"),
  location(6, "sin", "SG", "Singapore", [1.283333, 103.833333], "ap-southeast"),
];

/** CPU architectures of the API. */
export type Architecture = "x86" | "arm";

/** A size of server. */
export interface ServerType {
  readonly id: number;
  readonly name: string;
  readonly category: string;
  readonly cores: number;
  /** GB */
  readonly memory: number;
  /** GB */
  readonly disk: number;
  readonly cpu_type: "shared" | "dedicated";
  readonly architecture: Architecture;
  /** Euro a month, net. */
  readonly monthly: number;
  readonly locations: readonly string[];
  readonly deprecated: boolean;
}

const europe = ["fsn1", "nbg1", "hel1"];
const everywhere = locations.map(({ name }) => name);

const family = (
  first: number,
  category: string,
  options: Pick<ServerType, "cpu_type" | "architecture" | "locations"> & { deprecated?: boolean },
  sizes: readonly (readonly [name: string, cores: number, memory: number, disk: number, monthly: number])[],
): ServerType[] =>
  sizes.map(([name, cores, memory, disk, monthly], index) => ({
    id: first + index,
    name,
    category,
    cores,
    memory,
    disk,
    monthly,
    deprecated: false,
    ...options,
  }));

export const serverTypes: readonly ServerType[] = [
  ...family(
    22,
    "Regular purpose",
    { cpu_type: "shared", architecture: "x86", locations: everywhere, deprecated: true },
    [
      ["cpx11", 2, 2, 40, 3.85],
      ["cpx21", 3, 4, 80, 7.05],
      ["cpx31", 4, 8, 160, 13.1],
    ],
  ),
  ...family(45, "Cost optimized", { cpu_type: "shared", architecture: "arm", locations: europe }, [
    ["cax11", 2, 4, 40, 3.29],
    ["cax21", 4, 8, 80, 5.99],
    ["cax31", 8, 16, 160, 11.99],
    ["cax41", 16, 32, 320, 23.99],
  ]),
  ...family(96, "General purpose", { cpu_type: "dedicated", architecture: "x86", locations: everywhere }, [
    ["ccx13", 2, 8, 80, 11.99],
    ["ccx23", 4, 16, 160, 23.99],
    ["ccx33", 8, 32, 240, 47.99],
  ]),
  ...family(108, "Regular purpose", { cpu_type: "shared", architecture: "x86", locations: everywhere }, [
    ["cpx12", 1, 2, 40, 4.49],
    ["cpx22", 2, 4, 80, 5.99],
    ["cpx32", 4, 8, 160, 10.49],
    ["cpx42", 8, 16, 320, 19.49],
    ["cpx52", 12, 24, 480, 27.99],
    ["cpx62", 16, 32, 640, 37.99],
  ]),
  ...family(114, "Cost optimized", { cpu_type: "shared", architecture: "x86", locations: europe }, [
    ["cx23", 2, 4, 40, 2.99],
    ["cx33", 4, 8, 80, 4.99],
    ["cx43", 8, 16, 160, 8.99],
    ["cx53", 16, 32, 320, 16.99],
  ]),
];

const vat = 1.19;
const price = (net: number): { net: string; gross: string } => ({
  net: net.toFixed(10),
  gross: (net * vat).toFixed(16),
});
const since = { announced: "2025-10-16T06:00:00Z", unavailable_after: "2026-01-01T00:00:00Z" };

/** A server type in the API's form. */
export function showServerType(type: ServerType): object {
  const { id, name, category, cores, memory, disk, cpu_type, architecture, deprecated } = type;
  const deprecation = deprecated ? since : null;
  return {
    id,
    name,
    category,
    cores,
    memory,
    disk,
    cpu_type,
    architecture,
    deprecated,
    deprecation,
    description: name.toUpperCase(),
    storage_type: "local",
    included_traffic: 0,
    prices: type.locations.map((place) => ({
      location: place,
      price_hourly: price(type.monthly / 624),
      price_monthly: price(type.monthly),
      included_traffic: europe.includes(place) ? 21990232555520 : 1099511627776,
      price_per_tb_traffic: price(1),
    })),
    locations: locations
      .filter((place) => type.locations.includes(place.name))
      .map((place) => ({
        id: place.id,
        name: place.name,
        recommended: !deprecated,
        available: !deprecated,
        deprecation,
      })),
  };
}

/** An operating system that a server can be created with. */
export interface Image {
  readonly id: number;
  readonly name: string;
  readonly description: string;
  readonly version: string;
  readonly architecture: Architecture;
}

export const images: readonly Image[] = [
  { id: 114690387, name: "debian-12", description: "Debian 12", version: "12", architecture: "x86" },
  { id: 114690389, name: "debian-12", description: "Debian 12", version: "12", architecture: "arm" },
  { id: 310557660, name: "debian-13", description: "Debian 13", version: "13", architecture: "x86" },
  { id: 310557661, name: "debian-13", description: "Debian 13", version: "13", architecture: "arm" },
  { id: 67794396, name: "ubuntu-22.04", description: "Ubuntu 22.04", version: "22.04", architecture: "x86" },
  { id: 103908130, name: "ubuntu-22.04", description: "Ubuntu 22.04", version: "22.04", architecture: "arm" },
  { id: 161547269, name: "ubuntu-24.04", description: "Ubuntu 24.04", version: "24.04", architecture: "x86" },
  { id: 161547270, name: "ubuntu-24.04", description: "Ubuntu 24.04", version: "24.04", architecture: "arm" },
  { id: 389651282, name: "ubuntu-26.04", description: "Ubuntu 26.04", version: "26.04", architecture: "x86" },
  { id: 389651283, name: "ubuntu-26.04", description: "Ubuntu 26.04", version: "26.04", architecture: "arm" },
];

/** An image in the API's form. */
export interface ImageView {
  readonly id: number;
  readonly type: "system" | "snapshot";
  readonly status: "creating" | "available";
  readonly name: string | null;
  readonly description: string;
  readonly architecture: Architecture;
  readonly image_size: number | null;
  readonly disk_size: number;
  readonly created: string;
  readonly created_from: { readonly id: number; readonly name: string } | null;
  readonly bound_to: null;
  readonly os_flavor: string;
  readonly os_version: string;
  readonly rapid_deploy: boolean;
  readonly protection: { readonly delete: boolean };
  readonly deprecated: null;
  readonly deleted: string | null;
  readonly labels: Readonly<Record<string, string>>;
}

/** An image of the catalog in the API's form. */
export function showImage({ id, name, description, version, architecture }: Image): ImageView {
  return {
    id,
    type: "system",
    status: "available",
    name,
    description,
    architecture,
    image_size: null,
    disk_size: 5,
    created: "2025-08-09T12:00:00Z",
    created_from: null,
    bound_to: null,
    os_flavor: vendorOfImage(name),
    os_version: version,
    rapid_deploy: true,
    protection: { delete: false },
    deprecated: null,
    deleted: null,
    labels: {},
  };
}

/** Finds by ID or name. */
export function findByReference<T extends { readonly id: number; readonly name: string }>(
  items: readonly T[],
  reference: string,
): T | undefined {
  return items.find((item) => String(item.id) === reference) ?? items.find((item) => item.name === reference);
}
