# The PCI functions below a folder, as probes::pci tells them.
v() { x=$(cat "$d/$1" 2>/dev/null); }
l() { x=$(readlink "$d/$1" 2>/dev/null) && x=${x##*/}; }
t() { printf '%s %s\n' "$a" "$*"; }
r() {
  i=$1 s=$2 e=$3 f=$(($4))
  [ $f = 0 ] && return
  case $i in [0-5]) n="bar $i";; 6) n="bar rom";; *) n="window $((i - 7))";; esac
  k=mem; [ $((f & 0x100000)) = 0 ] || k=mem64; [ $((f & 0x100)) = 0 ] || k=io
  [ $((f & 0x2000)) = 0 ] || k="$k prefetch"
  if [ $((f & 0x20000000)) != 0 ] || [ "$e" = 0x0000000000000000 ]; then p=unassigned; else
    p=$(printf '0x%x-0x%x' "$s" "$e"); fi
  t "$n" "$p $k"
}
pci_devices() {
  for d in "$1"/*; do
    [ -e "$d" ] || continue
    a=${d##*/}
    v vendor && y=${x#0x} && v device && t id "$y:${x#0x}"
    v subsystem_vendor && y=${x#0x} && v subsystem_device && t subsystem "$y:${x#0x}"
    for n in class revision numa_node enable power_state boot_vga d3cold_allowed msi_bus sriov_drivers_autoprobe \
      local_cpulist; do v $n && t $n "$x"; done
    l driver || x=-; t driver "$x"
    v driver_override && [ -n "$x" ] && [ "$x" != "(null)" ] && t driver_override "$x"
    l iommu_group || x=-; t iommu_group "$x"
    for n in iommu physfn; do l $n && t $n "$x"; done
    x=$(readlink "$d") && x=${x%/*} && x=${x##*/}
    case $x in *:*:*.*) t parent "$x";; esac
    if v reset_method; then t reset_method "${x:--}"; elif [ -e "$d/reset" ]; then t reset yes; fi
    [ -r "$d/resource" ] && { i=0; while read -r s e f; do r $i "$s" "$e" "$f"; i=$((i + 1)); done <"$d/resource"; }
    [ -e "$d/rom" ] && x=$(stat -c %s "$d/rom") && t rom "$x bytes"
    v sriov_numvfs && y=$x && v sriov_totalvfs && t sriov "$y of $x"
    z=; v power/runtime_status && z=$x && t runtime "$x"
    [ "$z" != suspended ] && v current_link_speed && s=$x && v current_link_width && y=$x && [ "$y" != 0 ] &&
      v max_link_speed && m=$x && v max_link_width && t link "$s x$y of $m x$x"
    for n in net drm graphics vfio-dev nvme mdev_supported_types; do
      f=$n; case $n in vfio-dev) f=vfio_dev;; mdev_*) f=mdev;; esac
      for c in "$d/$n"/*; do [ -e "$c" ] && t $f "${c##*/}"; done
    done
  done
}
