# The interrupts below a folder that somebody handles, as probes::irqs tells them.
irq_affinity() {
  first "$1/default_smp_affinity" && printf 'default mask %s\n' "$x"
  ls "$1" | grep '^[0-9][0-9]*$' | sort -n | while read -r n; do
    h=
    for c in "$1/$n"/*/; do [ -d "$c" ] && c=${c%/} && h="$h ${c##*/}"; done
    [ -n "$h" ] || continue
    first "$1/$n/smp_affinity_list"; a=${x:-?}
    first "$1/$n/effective_affinity_list"; e=${x:-?}
    first "$1/$n/node"
    printf 'irq %s allowed %s effective %s node %s%s\n' "$n" "$a" "$e" "${x:-?}" "$h"
  done
}
