import { ubuntuTests } from "./ubuntu";

ubuntuTests({ image: "ubuntu-22.04", codename: "jammy", starts: "ssh.service", sudo: /^Sudo version 1\.9/ });
