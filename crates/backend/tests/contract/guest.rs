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

/// Where a kernel begins in memory: 1 MiB, behind what a PC has below.
const BASE: u32 = 0x10_0000;
/// Where its code lies in the file.
const CODE: usize = 0x1000;

/// Lines for a specification that boots this kernel on KVM; it lies in the directory.
pub(crate) fn lines(directory: &std::path::Path, kernel: &[u8]) -> String {
    let path = directory.join(format!("kernel{}", kernel.iter().map(|byte| u64::from(*byte)).sum::<u64>()));
    std::fs::write(&path, kernel).expect("written");
    format!("accelerator = 'kvm'\nboot.kernel = '{}'\n", path.display())
}

/// A kernel for Firecracker: it says that it runs, and resets the machine when a key is pressed (i8042: status port
/// 0x64, bit 0; command 0xfe).
pub(crate) fn keyboard(hears: bool) -> Vec<u8> {
    let key = [
        0xe4, 0x64, 0xa8, 0x01, 0x74, 0xfa, // wait: in al, 0x64; test al, 1; jz wait
        0xb0, 0xfe, 0xe6, 0x64, // mov al, 0xfe; out 0x64, al
    ];
    kernel(if hears { &key } else { &[] })
}

/// What is typed to let [`swapping`] reset its machine.
pub(crate) const RESETS: u8 = 0x12;

/// A kernel that answers each byte from the first serial port there, as a letter of the other case (line status port
/// 0x3fd, bit 0: a byte is there), but for the one at which it resets the machine.
pub(crate) fn swapping() -> Vec<u8> {
    kernel(&[
        0x66, 0xba, 0xfd, 0x03, // look: mov dx, 0x3fd
        0xec, 0xa8, 0x01, 0x74, 0xf7, // in al, dx; test al, 1; jz look
        0x66, 0xba, 0xf8, 0x03, // mov dx, 0x3f8
        0xec, 0x3c, RESETS, 0x74, 0x05, // in al, dx; cmp al, RESETS; je reset
        0x34, 0x20, 0xee, 0xeb, 0xe9, // xor al, 0x20; out dx, al; jmp look
        0xb0, 0xfe, 0xe6, 0x64, // reset: mov al, 0xfe; out 0x64, al
    ])
}

/// An ELF file with a PVH note (`XEN_ELFNOTE_PHYS32_ENTRY`): 32-bit code that says `READY` on the first serial port,
/// then does this, then nothing.
fn kernel(then: &[u8]) -> Vec<u8> {
    let mut code = vec![
        0xfa, 0xfc, // cli; cld
        0xbe, 0, 0, 0, 0, // mov esi, TEXT (below)
        0xac, 0x84, 0xc0, 0x74, 0x07, // next: lodsb; test al, al; jz said
        0x66, 0xba, 0xf8, 0x03, 0xee, 0xeb, 0xf4, // mov dx, 0x3f8; out dx, al; jmp next
    ];
    code.extend_from_slice(then);
    code.extend_from_slice(&[0xf4, 0xeb, 0xfd]); // stop: hlt; jmp stop
    let text = BASE + u32::try_from(code.len()).expect("it is short");
    code[3..7].copy_from_slice(&text.to_le_bytes());
    code.extend_from_slice(READY.as_bytes());
    code.extend_from_slice(b"\r\n\0");
    let length = u64::try_from(code.len()).expect("it is short");
    let mut file = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let (two, four, eight) = (
        |file: &mut Vec<u8>, value: u16| file.extend_from_slice(&value.to_le_bytes()),
        |file: &mut Vec<u8>, value: u32| file.extend_from_slice(&value.to_le_bytes()),
        |file: &mut Vec<u8>, value: u64| file.extend_from_slice(&value.to_le_bytes()),
    );
    two(&mut file, 2); // ET_EXEC
    two(&mut file, 62); // EM_X86_64
    four(&mut file, 1);
    eight(&mut file, u64::from(BASE));
    eight(&mut file, 64); // program headers
    eight(&mut file, 0);
    four(&mut file, 0);
    for value in [64, 56, 2, 0, 0, 0] {
        two(&mut file, value);
    }
    let note = 64 + 2 * 56;
    for (kind, flags, offset, place, size, align) in
        [(1, 7, CODE as u64, u64::from(BASE), length, 0x1000), (4, 4, note, 0, 20, 4)]
    {
        four(&mut file, kind);
        four(&mut file, flags);
        for value in [offset, place, place, size, size, align] {
            eight(&mut file, value);
        }
    }
    for value in [4, 4, 18] {
        four(&mut file, value);
    }
    file.extend_from_slice(b"Xen\0");
    four(&mut file, BASE);
    file.resize(CODE, 0);
    file.extend_from_slice(&code);
    file
}
