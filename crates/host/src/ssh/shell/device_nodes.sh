# One line for each path that is there, as `ls -lZ` lays it out, as probes::device_nodes tells them.
listed() {
  z=$(stat -c '%A %h %u %g %s %t %T' "$1" 2>/dev/null) || return
  set -- "$1" $z
  case $2 in [bc]*) s="$((0x$7)), $((0x$8))";; *) s=$6;; esac
  l=?
  [ ! -d /sys/fs/selinux/booleans ] || l=$(stat -c %C "$1" 2>/dev/null)
  printf '%s %s %s %s %s %s 1970-01-01 00:00 %s\n' \
    "$2" "$3" "$(user_name "$4")" "$(group_name "$5")" "${l:-?}" "$s" "$1"
}
# Nodes and what lies in folders of them, then of each folder behind `--` the sockets. Sorted folder by folder.
device_nodes() {
  k=node
  for n in "$@"; do
    [ "$n" = -- ] && k=socket && continue
    [ $k = node ] && printf '%s\n' "$n"
    for c in "$n"/* "$n"/.[!.]*; do
      { [ -e "$c" ] || [ -L "$c" ]; } && { [ $k = node ] || [ -S "$c" ]; } && printf '%s\n' "$c"
    done
  done | tr / '\001' | sort -u | tr '\001' / | while IFS= read -r n; do listed "$n"; done
}
