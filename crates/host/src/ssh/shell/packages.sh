# The packages of dpkg whose names fit a pattern, as probes::packages tells them.
packages() {
  awk -v w="$1" '
    function t() {
      if (v != "" && n ~ w && q != "not-installed") {
        g = p == "deinstall" ? "r" : substr(p, 1, 1); h = substr(q, 1, 1)
        if (q == "half-installed") h = "H"; if (q == "unpacked") h = "U"
        if (q == "half-configured") h = "F"; if (q == "triggers-awaited") h = "W"
        print g h "  " n " " v " " a
      }
      n = p = q = v = a = ""
    }
    /^Package:/ { n = $2 } /^Status:/ { p = $2; q = $4 } /^Architecture:/ { a = $2 } /^Version:/ { v = $2 }
    /^$/ { t() } END { t() }' /var/lib/dpkg/status
}
