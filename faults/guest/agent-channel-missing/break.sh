virsh -q start web
virsh -q domifaddr web --source agent 2>&1 || true
