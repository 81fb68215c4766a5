//! A guest of 512 bytes: says that it runs on the first serial port, and powers off when its power button is
//! pressed. The ports are those of QEMU's q35 with SeaBIOS: PM1 event block 0x600, PM1 control block 0x604
//! (ACPI specification, section 4.8.3).

/// What it says.
pub(crate) const READY: &str = "guest ready";

/// Its disk: one boot sector in 1 MiB.
pub(crate) fn disk() -> Vec<u8> {
    let mut code: Vec<u8> = vec![
        0xfa, 0xfc, // cli; cld
        0x31, 0xc0, 0x8e, 0xd8, // xor ax, ax; mov ds, ax
        0xbe, 0x00, 0x00, // mov si, TEXT (below)
        0xac, 0x84, 0xc0, 0x74, 0x06, // next: lodsb; test al, al; jz said
        0xba, 0xf8, 0x03, 0xee, 0xeb, 0xf5, // mov dx, 0x3f8; out dx, al; jmp next
        0xba, 0x02, 0x06, 0xb8, 0x00, 0x01, 0xef, // said: mov dx, 0x602; mov ax, PWRBTN_EN; out dx, ax
        0xba, 0x00, 0x06, // mov dx, 0x600
        0xed, 0xf6, 0xc4, 0x01, 0x74, 0xfa, // wait: in ax, dx; test ah, PWRBTN_STS >> 8; jz wait
        0xba, 0x04, 0x06, 0xb8, 0x00, 0x20, 0xef, // mov dx, 0x604; mov ax, SLP_EN; out dx, ax
        0xf4, 0xeb, 0xfd, // stop: hlt; jmp stop
    ];
    let text = 0x7c00 + u16::try_from(code.len()).expect("it is short");
    code[7..9].copy_from_slice(&text.to_le_bytes());
    code.extend_from_slice(READY.as_bytes());
    code.extend_from_slice(b"\r\n\0");
    code.resize(510, 0);
    code.extend_from_slice(&[0x55, 0xaa]);
    code.resize(1 << 20, 0);
    code
}
