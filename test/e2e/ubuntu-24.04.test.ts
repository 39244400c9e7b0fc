import { ubuntuTests } from "./ubuntu";

ubuntuTests({ image: "ubuntu-24.04", codename: "noble", starts: "ssh.socket", sudo: /^Sudo version 1\.9/ });
