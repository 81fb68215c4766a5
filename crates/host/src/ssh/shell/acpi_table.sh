# The bytes of a table, as acpidump lays them out.
acpi_table() {
  b n; printf 'acpidump -n %s' "$2"
  [ -e "$1/$2" ] || { b a; return; }
  [ -r "$1/$2" ] || { b d; return; }
  b k; echo "$2 @ 0x0000000000000000"
  od -A x -v -t x1 "$1/$2" | tr a-f A-F | sed -n 's/^\(..\)\{0,1\}\([0-9A-F]\{4\}\)  *\([0-9A-F].*\)$/  \2: \3/p'
}
