import { ubuntuTests } from "./ubuntu";

ubuntuTests({ image: "ubuntu-26.04", codename: "resolute", starts: "ssh.socket", sudo: /^sudo-rs 0\.2/ });
