//! A canary of each kind of secret, in each place where it is known to stand, through a capture of a host: not one
//! comes out, and the diagnosis stays the same.

#![allow(clippy::unwrap_used, reason = "a helper that cannot help fails its test")]

mod common;

use common::{Site, done, has};
use flate2::read::GzDecoder;
use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::process::Command;

/// Texts with secrets. `CANARY` is the secret, or a part of it; each line that has none must survive.
const TEXTS: &[(&str, &str)] = &[
    (
        "vnc and spice in domain XML",
        "<graphics type='vnc' port='5900' passwd='CANARY' passwdValidTo='2030-01-01T00:00:00'/>\n<graphics type=\"spice\"\n  passwd = \"CANARY &amp; more\"/>",
    ),
    (
        "libvirt secret XML",
        "<secret ephemeral='no' private='yes'>\n<uuid>u</uuid>\n<value>CANARY==</value>\n</secret>",
    ),
    (
        "virsh secret-set-value",
        "virsh secret-set-value 3d1219c7-c4c5-404a-aa1f-6d2a48adfda4 CANARY==\nvirsh secret-set-value --secret 3d12 --base64 CANARY==",
    ),
    ("virsh secret-get-value", "# virsh secret-get-value 3d1219c7\nCANARY==\n\n# next"),
    (
        "virsh set-user-password",
        "virsh set-user-password web root CANARY\nvirsh set-user-password --domain web --user root --password CANARY --encrypted",
    ),
    (
        "libvirt auth.conf",
        "[credentials-test]\nauthname=tester\nusername=admin\npassword=CANARY\n[auth-libvirt-host]\ncredentials=test",
    ),
    (
        "libvirt qemu.conf",
        "vnc_password = \"CANARY\"\nspice_password = \"CANARY\"\n#vnc_password = \"CANARY\"",
    ),
    (
        "QEMU secret objects",
        "-object secret,id=s0,data=CANARY\n-object secret,id=s0,format=base64,data=CANARY==,keyid=m\n-object '{\"qom-type\":\"secret\",\"id\":\"s\",\"data\":\"CANARY\"}'\n--object secret,id=sec0,data=CANARY create -f luks",
    ),
    ("QEMU displays", "-spice port=5900,password=CANARY,disable-ticketing=off\n-vnc :1,password=CANARY"),
    (
        "QEMU block devices",
        "-drive file.driver=http,file.url=http://h/x,file.username=u,file.password=CANARY\n-drive file=iscsi://joe%CANARY@192.0.2.7/iqn.2030-01.invalid/1\n-iscsi user=joe,password=CANARY",
    ),
    (
        "QEMU monitors",
        "(qemu) set_password vnc CANARY\n(qemu) change vnc password CANARY\n{\"execute\":\"change-vnc-password\",\"arguments\":{\"password\":\"CANARY\"}}\n{\"execute\": \"human-monitor-command\", \"arguments\": {\"command-line\": \"set_password spice CANARY\"}}",
    ),
    (
        "QEMU guest agent",
        "{\"execute\":\"guest-set-user-password\",\"arguments\":{\"username\":\"root\",\"password\":\"CANARY=\",\"crypted\":false}}",
    ),
    (
        "iSCSI initiator",
        "node.session.auth.username = joe\nnode.session.auth.password = CANARY\ndiscovery.sendtargets.auth.password_in=CANARY\niscsiadm -m node -o update -n node.session.auth.password -v CANARY",
    ),
    (
        "iSCSI target",
        "\"chap_password\": \"CANARY\",\n\"chap_mutual_password\": \"CANARY\",\nincominguser joe CANARY\noutgoinguser joe CANARY\n/iscsi> set auth userid=joe password=CANARY",
    ),
    (
        "cephx keys",
        "[client.libvirt]\n\tkey = AQCANARYgAAAAABAAMx5Cs8h6iXC3vOJ5nL3n4ow==\nmount -t ceph m:/ /x -o name=a,secret=AQCANARYgAAAAABAAMx5Cs8h6iXC3vOJ5nL3n4ow==\nfile=rbd:p/i:id=a:key=AQCANARYgAAAAABAAMx5Cs8h6iXC3vOJ5nL3n4ow\\=\\=:auth_supported=cephx",
    ),
    (
        "cloud-init",
        "#cloud-config\npassword: CANARY\nchpasswd:\n  list: |\n    root:CANARY\n    me:CANARY\n  expire: false\nusers:\n  - name: x\n    hashed_passwd: CANARY\n    plain_text_passwd: 'CANARY'\nwifis:\n  w0:\n    access-points:\n      home: {password: \"CANARY\"}",
    ),
    (
        "installers",
        "rootpw --plaintext CANARY\nuser --name=me --plaintext --password=CANARY\nd-i passwd/root-password password CANARY\nd-i passwd/user-password-again password CANARY\n<user_password>CANARY</user_password>\ncipassword: CANARY",
    ),
    (
        "commands that set passwords",
        "echo root:CANARY | chpasswd\necho 'root:CANARY'|chpasswd -e\necho CANARY | passwd --stdin root\necho CANARY | sudo -S reboot\nvirt-customize -a x --root-password password:CANARY\nvirt-install --unattended admin-password-file=/x --password CANARY\nvirt-cat -a x --key /dev/sda2:key:CANARY",
    ),
    (
        "Kubernetes secrets",
        "apiVersion: v1\nkind: Secret\ndata:\n  userdata: CANARY\nstringData:\n  a: |\n    CANARY\n    CANARY\nmetadata:\n  name: s",
    ),
    (
        "Kubernetes secrets as JSON",
        "{\"apiVersion\":\"v1\",\"data\":{\"userdata\":\"CANARY\",\"b\":\"CANARY\"},\"kind\":\"Secret\",\"metadata\":{\"name\":\"s\"}}\n{\n  \"kind\": \"Secret\",\n  \"stringData\": {\n    \"a\": \"CANARY\"\n  },\n  \"metadata\": {}\n}",
    ),
    (
        "KubeVirt",
        "  - name: ci\n    cloudInitNoCloud:\n      userDataBase64: CANARY==\n      networkDataBase64: CANARY==\n      userData: |\n        #cloud-config\n        password: CANARY",
    ),
    (
        "environment of containers",
        "    - name: DB_PASSWORD\n      value: CANARY\n    - name: API_TOKEN\n      value: \"CANARY12\"\n      DB_PASSWORD:  CANARY\nexport OS_PASSWORD=CANARY\nSSHPASS=CANARY sshpass -e ssh h\nsshpass -p CANARY ssh h\nsshpass -pCANARY ssh h",
    ),
    (
        "kubeconfig and registries",
        "users:\n- name: a\n  user:\n    client-key-data: CANARY==\n    token: CANARY0123\n    password: CANARY\n{\"auths\":{\"r.invalid\":{\"auth\":\"CANARY==\"}}}\nkubeadm join 192.0.2.1:6443 --token CANARY.0123456789abcdef --discovery-token-ca-cert-hash sha256:00",
    ),
    (
        "kernel command line",
        "root=/dev/vda1 rd.luks.key=/CANARY:UUID=1 cryptkey=CANARY rootpw=CANARY quiet\nsystemd.set_credential=passwd.hashed:CANARY rd.iscsi.password=CANARY rd.iscsi.in.password=CANARY inst.vncpassword=CANARY\nnetroot=iscsi:joe:CANARY@192.0.2.1::::iqn.2030-01.invalid ds=nocloud;s=http://me:CANARY@seed.invalid/",
    ),
    (
        "URLs",
        "https://me:CANARY@h.invalid/x\nnbd://me:CAN@CANARY@192.0.2.7:10809/disk\nhttps://h.invalid/x?token=CANARY12&a=b\nhttps://s.invalid/i?sv=1&sig=CANARY%3D&se=2\nhttps://s.invalid/i?X-Amz-Credential=a&X-Amz-Signature=CANARY0123",
    ),
    (
        "netrc",
        "machine h.invalid login me password CANARY\nmachine h.invalid\n  login me\n  password CANARY\ndefault login me password CANARY",
    ),
    (
        "curl and wget",
        "curl -u me:CANARY http://h\ncurl --user me:CANARY http://h\nwget --http-password=CANARY --user=me http://h\ncurl -H 'Authorization: Basic CANARYdXNlcjpwYXNz' http://h\ncurl -b 'PVEAuthCookie=PVE:root@pam:CANARY::x' https://h",
    ),
    ("OpenSSH key", "-----BEGIN OPENSSH PRIVATE KEY-----\nCANARY\nCANARY\n-----END OPENSSH PRIVATE KEY-----"),
    (
        "PEM keys",
        "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nCANARY\n-----END RSA PRIVATE KEY-----\n-----BEGIN EC PRIVATE KEY-----\nCANARY\n-----END EC PRIVATE KEY-----\n-----BEGIN ENCRYPTED PRIVATE KEY-----\nCANARY\n-----END ENCRYPTED PRIVATE KEY-----\n-----BEGIN PRIVATE KEY-----\r\nCANARY\r\n-----END PRIVATE KEY-----",
    ),
    (
        "a key in one line",
        "key: \"-----BEGIN PRIVATE KEY-----\\nCANARY\\nCANARY\\n-----END PRIVATE KEY-----\\n\"",
    ),
    (
        "a key in YAML",
        "ssh_keys:\n  rsa_private: |\n    -----BEGIN RSA PRIVATE KEY-----\n    CANARY\n    -----END RSA PRIVATE KEY-----",
    ),
    (
        "PGP and SSH2 keys",
        "-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nCANARY\n-----END PGP PRIVATE KEY BLOCK-----\n---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----\nCANARY\n---- END SSH2 ENCRYPTED PRIVATE KEY ----",
    ),
    (
        "PuTTY key",
        "PuTTY-User-Key-File-3: ssh-ed25519\nPublic-Lines: 1\nAAAA\nPrivate-Lines: 2\nCANARY\nCANARY\nPrivate-MAC: CANARY",
    ),
    ("a cut off key", "-----BEGIN PRIVATE KEY-----\nCANARY\nCANARY and no end"),
    (
        "age and JWK",
        "AGE-SECRET-KEY-1CANARYCANARYCANARYCANARYCANARYCANARYCANARYCANARYCANARYCAN\n{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"a\",\"d\":\"CANARY\"}",
    ),
    (
        "tokens",
        "Authorization: Bearer CANARY.part.two\nX-Auth-Token: CANARY12\nX-Vault-Token: hvs.CANARY12\nAuthorization: PVEAPIToken=root@pam!mon=CANARY-0000\nclient_secret: CANARY12\napi_key=\"CANARY12\"\nSet-Cookie: session=CANARY12; Path=/",
    ),
    (
        "tokens known by their form",
        "eyJCANARYhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.CANARY\nghp_CANARYCANARYCANARYCANARYCANARY1234\ngithub_pat_CANARYCANARYCANARY_CANARYCANARY\nglpat-CANARYCANARYCANARYCA\nxoxb-CANARY-CANARY\nhvs.CANARYCANARYCANARYCANARY\nAIzaCANARYCANARYCANARYCANARYCANARYCANAR",
    ),
    (
        "AWS",
        "aws_access_key_id = AKIACANARYCANARY0123\naws_secret_access_key = CANARY/CANARY+CANARY\nAWS_SESSION_TOKEN=CANARY12\n\"SecretAccessKey\" : \"CANARY12\"",
    ),
    (
        "hashes",
        "root:$6$CANARY$CANARY0123456789:19000:0:99999:7:::\nfound $y$j9T$CANARY$CANARY/x. here\n$argon2id$v=19$m=65536,t=3,p=4$CANARY$CANARY01\nuserPassword: {SSHA}CANARYCANARY==\npassword_pbkdf2 root grub.pbkdf2.sha512.10000.CANARY.CANARY",
    ),
    (
        "disk encryption",
        "0 409600 crypt aes-xts-plain64 CANARY0123456789abcdef0123456789abcdef 0 8:2 4096\nEnter passphrase: CANARY\ncryptsetup-passphrase=CANARY\nqemu-img info --image-opts driver=luks,key-secret=s --object secret,id=s,data=CANARY",
    ),
    (
        "WireGuard",
        "[Interface]\nPrivateKey = CANARYAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n[Peer]\nPublicKey = x\nPresharedKey=CANARYAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n  private key: CANARYAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    ),
    (
        "wireless and IPsec",
        "wpa-psk CANARY12\npsk=\"CANARY12\"\npsk=CANARY12\noptions             : {psk=CANARY12, remote_ip=\"192.0.2.7\"}\n192.0.2.1 192.0.2.2 : PSK \"CANARY12\"",
    ),
    (
        "SNMP",
        "rocommunity CANARY default\nrwcommunity6 CANARY\ncom2sec readonly default CANARY\ncreateUser me SHA \"CANARY12\" AES CANARY12\nsnmpget -v2c -c CANARY 192.0.2.1\nsnmp-server community CANARY RO",
    ),
    (
        "IPMI and fencing",
        "ipmitool -I lanplus -H 192.0.2.9 -U admin -P CANARY power status\nfence_ipmilan -a 192.0.2.9 -l admin -p CANARY -o status\n<fencedevice agent=\"fence_ipmilan\" login=\"a\" passwd=\"CANARY\"/>\nracadm -r 192.0.2.9 -u root -p CANARY getsysinfo\nIPMI_PASSWORD=CANARY",
    ),
    (
        "clusters",
        "auth_pass CANARY\nshared-secret \"CANARY\";\nshared-secret CANARY;\n  password \"CANARY\";",
    ),
    (
        "network file systems",
        "//h/s /mnt cifs username=me,password=CANARY,vers=3.0 0 0\nmount -t cifs //h/s /m -o user=me,pass=CANARY\nmysql -u root -pCANARY db",
    ),
    ("OpenSSL", "openssl rsa -passin pass:CANARY -in k\nopenssl pkcs12 -export -passout pass:CANARY"),
    (
        "audit",
        "type=PROCTITLE msg=audit(1.0:1): proctitle=71656D752D73797374656D2D7838365F3634002D6F626A656374007365637265742C69643D732C646174613D43414E415259\ntype=TTY msg=audit(1.0:2): tty pid=1 uid=0 data=43414E4152590D\ntype=EXECVE msg=audit(1.0:3): argc=3 a0=\"curl\" a1=\"-u\" a2=\"me:CANARY\"",
    ),
];

/// The secret as it stands in a capture: as it is, or in the forms that hide nothing.
const FORMS: [&str; 3] = ["CANARY", "43414E415259", "Q0FOQVJZ"];

const SCRIPT: &str = r#"
    mkdir -p /etc/libvirt /var/log/libvirt /etc/pve /etc/ceph
    for place in /etc/libvirt /var/log/libvirt; do mount -t tmpfs none $place; done
    mkdir /etc/libvirt/qemu /var/log/libvirt/qemu
    cp "$SITE"/texts/*.log /var/log/libvirt/qemu/
    cp "$SITE"/texts/*.xml /etc/libvirt/qemu/
    cat "$SITE"/texts/*.log > "$SITE/all"
    cp "$SITE/all" /etc/libvirt/qemu.conf
    mount --bind "$SITE/cmdline" /proc/cmdline
    qemu-system-x86_64 -S -M none -display none -object secret,id=s,data=CANARY -name web 2>/dev/null &
    qemu=$!
    sleep 1
    set +e
    "$VMWRIGHT" capture --vm web -o "$SITE/a.tar.gz" --format json
    status=$?
    "$VMWRIGHT" analyze --vm web --format json > "$SITE/live.json"
    kill $qemu
    exit $status
"#;

#[test]
fn no_canary_comes_out_of_a_capture() {
    let test = "no_canary_comes_out_of_a_capture";
    if !["unshare", "qemu-system-x86_64"].iter().all(|program| has(test, program)) {
        return;
    }
    if fs::metadata("/proc/self").unwrap().uid() != 0 {
        eprintln!("SKIPPED {test}: only root can mount something over the host's folders");
        return;
    }
    let site = Site::new();
    site.machine("web", "").ok();
    let lock = "qemu-system-x86_64: -drive file=/a: Failed to get \"write\" lock\n";
    for (number, (_, text)) in TEXTS.iter().enumerate() {
        site.file(&format!("texts/{number:02}.log"), format!("before\n{text}\nbehind\n"));
        site.file(
            &format!("texts/{number:02}.xml"),
            format!("<domain type='kvm'>\n<name>d{number}</name>\n<description>\n{}\n</description>\n{}\n</domain>\n",
                text.replace('&', "&amp;").replace('<', "&lt;"),
                if text.starts_with('<') { text } else { "" }),
        );
        site.file(&format!("texts/{number:02}-crlf.log"), format!("{}\r\n", text.replace('\n', "\r\n")));
    }
    let cmdline = TEXTS.iter().find(|(name, _)| *name == "kernel command line").unwrap().1.replace('\n', " ");
    site.file("cmdline", format!("{cmdline}\n"));
    site.file("state/machines/web/qemu.log", lock);
    site.file(
        "state/machines/web/serial.log",
        TEXTS.iter().map(|(_, text)| format!("{text}\n")).collect::<String>(),
    );

    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-ec", SCRIPT]);
    command.env("VMWRIGHT", env!("CARGO_BIN_EXE_vmwright")).env("SITE", site.dir.path());
    command.env("VMWRIGHT_STATE", site.path("state")).env("VMWRIGHT_CONFIG", site.path("config"));
    let made = done(command);
    assert!([0, 3].contains(&made.status), "{made:#?}");

    let mut bytes = Vec::new();
    GzDecoder::new(fs::File::open(site.path("a.tar.gz")).unwrap()).read_to_end(&mut bytes).unwrap();
    let shown = String::from_utf8_lossy(&bytes).into_owned();
    let leaks: BTreeMap<&str, &str> = shown
        .lines()
        .filter(|line| FORMS.iter().any(|form| line.contains(form)))
        .map(|line| (line.trim(), ""))
        .collect();
    let leaks: Vec<&str> = leaks.into_keys().map(|line| &line[..line.floor_char_boundary(300)]).collect();
    assert!(leaks.is_empty(), "{} lines give secrets away:\n{}", leaks.len(), leaks.join("\n"));
    // The texts are there, without their secrets: nothing passed because it was not read. A key that is cut off takes all
    // that follows it in the same file.
    let cut = TEXTS.iter().position(|(name, _)| *name == "a cut off key").unwrap();
    assert_eq!(shown.matches("\nbehind\n").count(), TEXTS.len() - 1 + cut, "texts in the capture");
    assert!(shown.contains("secret,id=s,data=[redacted:"), "the command line of a running VMM");

    let causes = |analysis: &serde_json::Value| format!("{:#}", analysis["causes"]);
    let live: serde_json::Value = serde_json::from_slice(&fs::read(site.path("live.json")).unwrap()).unwrap();
    let archive = site.path("a.tar.gz");
    let offline = site.call(&["analyze", "--from", archive.to_str().unwrap(), "--format", "json"]).json();
    let rules = |analysis: &serde_json::Value| -> Vec<String> {
        analysis["causes"].as_array().unwrap().iter().map(|cause| cause["rule"].to_string()).collect()
    };
    assert!(rules(&offline).contains(&"\"storage/image-locked\"".to_owned()), "{}", causes(&offline));
    assert_eq!(rules(&offline), rules(&live), "{}\n{}", causes(&live), causes(&offline));
}
