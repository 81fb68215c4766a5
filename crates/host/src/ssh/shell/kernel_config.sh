# The options whose names fit a pattern, of the running kernel's configuration, as probes::kernel_config tells them.
kernel_config() {
  w kernel-config
  r=$(uname -r)
  if [ -r /proc/config.gz ]; then k='gzip -dc /proc/config.gz'
  elif [ -r "/boot/config-$r" ]; then k="cat /boot/config-$r"
  elif [ -r "/lib/modules/$r/config" ]; then k="cat /lib/modules/$r/config"
  elif [ -e "/boot/config-$r" ]; then b d; return
  else b a; return; fi
  b k
  $k | awk -v w="^CONFIG_($1)" '/^# CONFIG_.* is not set$/ && $2 ~ w { print $2 "=n" } $0 ~ w { print }'
}
