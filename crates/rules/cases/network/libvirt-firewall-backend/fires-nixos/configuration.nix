networking.firewall.enable = true;
virtualisation.libvirtd.firewallBackend = "nftables";
