jailer --id 0bfbd0b0-86ca --exec-file /usr/bin/firecracker --uid 1000 --gid 1000 --netns /var/run/netns/vm0 --chroot-base-dir /tmp/jail -- --config-file config.json
