test -c /dev/kvm
runs web
