# What the kernel tells of VMM processes and their helpers, as probes::vmm_details tells it. The lines of status that
# are wanted come first, the files of control groups behind `--`.
vmm_details() {
  s= g= k=s
  for a in "$@"; do
    if [ "$a" = -- ]; then k=g; elif [ $k = s ]; then s="$s $a"; else g="$g $a"; fi
  done
  for p in $(ls /proc | grep '^[0-9][0-9]*$' | sort -n); do
    d=/proc/$p
    first $d/comm || continue
    case $x in
      qemu-system-*|qemu-kvm*|cloud-hyperviso*|firecracker*|virtiofsd*|swtpm*|kvm) ;;
      *) continue;;
    esac
    c=$(tr '\000\n' ' ?' <$d/cmdline 2>/dev/null | sed 's/ $//')
    [ -n "$c" ] || continue
    vmm_process "$p" "$x" "$c" "$s" "$g" | sed "s/^/pid $p /"
  done
}
vmm_process() {
  p=$1 d=/proc/$1
  printf 'name %s\n' "$2"
  x=$(readlink $d/exe 2>/dev/null) && printf 'program %s\n' "$x"
  printf 'user %s\n' "$(user_name "$(awk '/^Uid:/ { print $3 }' $d/status)")"
  printf 'command %s\n' "$3"
  awk -v w=" $4 " '{
    k = $1; sub(/:.*/, "", k); v = $0; sub(/^[^:]*:/, "", v); gsub(/[ \t]+/, " ", v); gsub(/^ | $/, "", v)
    if (index(w, " " k " ")) print k " " v
  }' $d/status
  first $d/oom_score_adj && printf 'oom_score_adj %s\n' "$x"
  x=$(tr -d '\000' <$d/attr/current 2>/dev/null) && [ -n "$x" ] && printf 'label %s\n' "$x"
  awk 'NR > 1 { $1 = $1; print "limit " $0 }' $d/limits
  while IFS= read -r l; do
    printf 'cgroup %s\n' "$l"
    o=${l#*:} q=${l#*:*:} o=${o%%:*}
    case $q/ in */../*) continue;; esac
    o=${o#name=} q=${q#/}
    i=0
    while [ -n "$q" ] && [ $i -lt 8 ]; do
      for f in $5; do
        f="/sys/fs/cgroup/${o:+$o/}$q/$f"
        [ -r "$f" ] && x=$(awk '{ printf "%s%s", (NR > 1 ? "; " : ""), $0 }' "$f" 2>/dev/null) &&
          printf 'cgroup-limit /%s/%s %s\n' "$q" "${f##*/}" "$x"
      done
      case $q in */*) q=${q%/*};; *) q=;; esac
      i=$((i + 1))
    done
  done <$d/cgroup
  vmm_insight "$p" | sed 's/^/sees /'
  for t in $d/task/*; do
    [ -r "$t/stat" ] && vmm_thread "$t"
  done
}
# As processes::insight tells it.
vmm_insight() {
  d=/proc/$1
  for n in mnt net pid user cgroup; do
    x=$(readlink $d/ns/$n 2>/dev/null) || continue
    if [ "$x" = "$(readlink /proc/self/ns/$n)" ]; then o="the host's"; else o='its own'; fi
    printf "namespace %s %s\n" "$x" "$o"
  done
  head -c 4194304 $d/numa_maps 2>/dev/null | awk '{
    k = 4; h = "small"
    for (i = 3; i <= NF; i++) {
      if ($i == "huge") h = "huge"
      if ($i ~ /^kernelpagesize_kB=/) { k = $i; sub(/.*=/, "", k) }
    }
    for (i = 3; i <= NF; i++) if ($i ~ /^N[0-9]+=/) {
      n = $i; sub(/^N/, "", n); c = n; sub(/=.*/, "", n); sub(/.*=/, "", c)
      m[$2 " node " n " " h] += c * k
    }
  } END { for (x in m) printf "memory %s %.0f kB\n", x, m[x] }' | sort -k2,2 -k5,5r -k4,4n
  ls -l $d/fd 2>/dev/null | sed -n 's/.* \([0-9][0-9]*\) -> \(\/.*\)$/\1 \2/p' | head -n 8192 |
    while read -r n x; do
      case $x in
        /dev/net/tun)
          i=$(sed -n 's/^iff:[[:space:]]*//p' $d/fdinfo/$n 2>/dev/null)
          printf 'open %s%s\n' "$x" "${i:+ $i}";;
        /dev/pts/*|/dev/null|/proc/*) ;;
        *) printf 'open %s\n' "$x";;
      esac
    done | sort -u | head -n 512
}
vmm_thread() {
  awk -v n="${1##*/}" 'FNR == 1 { file++ }
    file == 1 { l = $0; while (i = index(l, ") ")) l = substr(l, i + 2); split(l, f, " ") }
    file == 2 {
      k = $1; sub(/:$/, "", k); v = $0; sub(/^[^:]*:[ \t]*/, "", v)
      if (k == "Name") name = v; if (k == "Cpus_allowed_list") c = v; if (k == "Mems_allowed_list") m = v
    }
    END {
      gsub(/ /, "_", name)
      p = f[39]; split("other fifo rr batch 4 idle deadline", w, " "); if (p + 1 in w) p = w[p + 1]
      printf "thread %s %s cpus %s mems %s policy %s rt-priority %s nice %s last-cpu %s\n",
        n, name, c, m, p, f[38], f[17], f[37]
    }' "$1/stat" "$1/status" 2>/dev/null
}
