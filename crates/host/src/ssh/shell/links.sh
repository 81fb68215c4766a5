# The interfaces below a folder with the attributes named behind it, as probes::links tells them.
links() {
  root=$1; shift
  for d in "$root"/*; do
    [ -d "$d" ] || continue
    n=${d##*/}
    x=$(sed -n 's/^DEVTYPE=//p' "$d/uevent" 2>/dev/null)
    [ -z "$x" ] || printf '%s devtype %s\n' "$n" "$x"
    for a in "$@"; do
      first "$d/$a" && printf '%s %s %s\n' "$n" "$a" "$x"
    done
    for a in master device device/physfn device/driver; do
      [ -L "$d/$a" ] || continue
      x=$(readlink "$d/$a"); printf '%s %s %s\n' "$n" "${a##*/}" "${x##*/}"
    done
    for c in "$d"/lower_*; do
      [ -e "$c" ] && printf '%s lower %s\n' "$n" "${c##*/lower_}"
    done
    if [ -e "$d/tun_flags" ]; then
      first "$d/owner"; case $x in ''|-*) x=-;; *) x=$(user_name "$x");; esac
      printf '%s tap-owner %s\n' "$n" "$x"
      first "$d/group"; case $x in ''|-*) x=-;; *) x=$(group_name "$x");; esac
      printf '%s tap-group %s\n' "$n" "$x"
    fi
    r=0 t=0 q=0
    for c in "$d"/queues/*; do
      [ -e "$c" ] || continue
      q=1
      case ${c##*/} in rx-*) r=$((r + 1));; tx-*) t=$((t + 1));; esac
    done
    [ $q = 0 ] || printf '%s queues rx %s tx %s\n' "$n" $r $t
  done
}
