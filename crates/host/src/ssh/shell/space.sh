# Space and inodes, by df's own listing without the kinds named: `df -Tk` and `df -Ti`. A dead server halts it: then the
# local file systems alone are listed.
space() {
  x=
  for k in "$@"; do x="$x -x $k"; done
  for o in -Tk -Ti; do
    w df $o; b k
    z=$($T df $o $x 2>/dev/null) || z=$($T df $o -l $x 2>/dev/null)
    printf '%s\n' "$z"
  done
}
