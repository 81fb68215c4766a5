# The name of a user or a group, or the number where it has none.
user_name() {
  z=$(getent passwd "$1" 2>/dev/null || awk -F: -v i="$1" '$3 == i { print; exit }' /etc/passwd)
  printf %s "${z%%:*}"; [ -n "$z" ] || printf %s "$1"
}
group_name() {
  z=$(getent group "$1" 2>/dev/null || awk -F: -v i="$1" '$3 == i { print; exit }' /etc/group)
  printf %s "${z%%:*}"; [ -n "$z" ] || printf %s "$1"
}
# The first line of a small file, into x.
first() { x=; { read -r x <"$1"; } 2>/dev/null; [ -n "$x" ]; }
