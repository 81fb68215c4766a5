# A script of its own sends the settings in the order in which somebody thought of them.
mkdir -p /srv/fc
cat >/srv/fc/start.py <<'END'
import http.client, json, os, socket, subprocess, time
path = "/run/fc.sock"
vmm = subprocess.Popen(["firecracker", "--api-sock", path], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
class Api(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(path)
def put(place, body):
    api = Api("localhost")
    api.request("PUT", place, json.dumps(body))
    answer = api.getresponse()
    text = answer.read().decode()
    if answer.status >= 300:
        print("PUT", place, answer.status, text)
for attempt in range(100):
    try:
        put("/machine-config", {"vcpu_count": 1, "mem_size_mib": 128})
        break
    except OSError:
        time.sleep(0.1)
put("/boot-source", {"kernel_image_path": "/boot/vmlinuz-" + os.uname().release, "boot_args": "console=ttyS0 reboot=k panic=1"})
put("/actions", {"action_type": "InstanceStart"})
put("/vsock", {"guest_cid": 3, "uds_path": "/run/fc.vsock"})
vmm.kill()
END
python3 /srv/fc/start.py
