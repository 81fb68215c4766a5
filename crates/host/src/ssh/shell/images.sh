# Images that libvirt's domains and running QEMUs name, down their chains, as probes::images tells them; but for the
# header, whose first bytes stand in a line `head` in hexadecimal.
images() {
  {
    for f in /etc/libvirt/qemu/*.xml; do
      [ -r "$f" ] || continue
      { sed -n "s|.*<source file=['\"]\([^'\"]*\)['\"].*|\1|p" "$f"
        # Block devices, where they are not there.
        sed -n "s|.*<source dev=['\"]\(/[^'\"]*\)['\"].*|\1|p" "$f" | while read -r z; do [ -e "$z" ] || echo "$z"; done
      } | sed 's/&lt;/</g; s/&gt;/>/g; s/&quot;/"/g; s/&apos;/'"'"'/g; s/&amp;/\&/g' | sed "s|\$| $f|; s|^|0 |"
    done
    for d in /proc/[0-9]*; do
      first $d/comm || continue
      case $x in qemu-*|kvm) ;; *) continue;; esac
      tr '\n\000' '?\n' <$d/cmdline 2>/dev/null | image_words | sed "s|\$| pid ${d#/proc/}|; s|^|0 |"
    done
  } | image_chains "$1" "$2"
}
# `file=/srv/a,,b.img` of an option of QEMU, or `"filename":"/srv/a.img"` of its JSON form.
image_words() {
  awk '
    /^[{]/ { n = split($0, p, "\"filename\":"); for (i = 2; i <= n; i++) {
      v = p[i]; sub(/^ */, "", v); if (sub(/^"/, "", v) && sub(/".*/, "", v)) print v }; next }
    { gsub(/,,/, "\001"); n = split($0, p, ","); for (i = 1; i <= n; i++) {
      v = p[i]; if (sub(/^(file|file[.]filename|filename)=/, "", v)) { gsub(/\001/, ",", v); print v } } }
  ' | grep '^/' | grep -v '^/dev/'
}
# Lines `level path by`: of a path with blanks nothing is told but by whom it is named.
image_chains() {
  sort -u | { q= seen=' ' n=0
    while read -r l i y; do q="$q$l $i $y
"; done
    while [ -n "$q" ] && [ $n -lt "$1" ]; do
      a=${q%%
*}; q=${q#*
}
      l=${a%% *} a=${a#* }; i=${a%% *} y=${a#* }
      case $i in /*) ;; *) continue;; esac
      case $seen in *" $i "*) continue;; esac
      seen="$seen$i " n=$((n + 1))
      image "$i" "$y" "$2"
      [ "$l" -lt 20 ] && k=$(image_backing "$i") && [ -n "$k" ] && q="$q$((l + 1)) $k $i
"
    done; }
}
image() {
  i() { printf '%s %s\n' "$p" "$*"; }
  p=$1 h=$3
  i named-by "$2"
  z=$(stat -L -c '%A %u %g %s %b %B' "$p" 2>/dev/null) || {
    case $(ls -L "$p" 2>&1) in
      *"ermission denied"*) i missing permission denied;; *) i missing does not exist;;
    esac; return; }
  set -- $z
  i file "$1 $(user_name "$2") $(group_name "$3") $4 bytes"
  i on-disk "$(($5 * $6)) bytes"
  m=$1
  [ ! -d /sys/fs/selinux/booleans ] || i label "$(stat -L -c %C "$p" 2>/dev/null)"
  if command -v getfacl >/dev/null 2>&1; then
    getfacl -a -c -p "$p" 2>/dev/null | sed -n '/^user::/d; /^group::/d; /^other:/d; s/[[:space:]]*#.*//; /./p' |
      while read -r z; do i acl "$z"; done
  fi
  z=$(df -T "$p" 2>/dev/null | awk 'NR == 2 { print $2 }') && [ -n "$z" ] && i file-system "$z"
  f=$p
  while [ "$f" != / ]; do
    f=${f%/*}; f=${f:-/}
    z=$(stat -L -c '%A %u %g' "$f" 2>/dev/null) || continue
    set -- $z
    i folder "$1 $(user_name "$2") $(group_name "$3") $f"
  done
  case $m in
    -*) if [ -r "$p" ]; then i head "$(od -A n -v -t x1 -N "$h" "$p" | tr -d ' \n')"
        else i header permission denied; fi;;
    *) i header not a regular file;;
  esac
}
# What a qcow2 image is based on (docs/interop/qcow2.txt: where its name begins at 8, its length at 16).
image_backing() {
  [ -f "$1" ] && [ -r "$1" ] || return
  set -- "$1" $(od -A n -v -t u1 -N 20 "$1")
  [ "$2 $3 $4 $5" = '81 70 73 251' ] || return
  n=$((${18} * 16777216 + ${19} * 65536 + ${20} * 256 + ${21}))
  o=$((${14} * 16777216 + ${15} * 65536 + ${16} * 256 + ${17}))
  [ $o -gt 0 ] && [ $n -gt 0 ] && [ $n -lt 1024 ] || return
  k=$(tail -c "+$((o + 1))" "$1" | head -c $n); k=${k#file:}
  case $k in /*) ;; *:*) return;; *) k=${1%/*}/$k;; esac
  printf %s "$k"
}
