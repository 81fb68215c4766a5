//! # The UEFI variable store is missing, or does not belong to this firmware
//!
//! ## What it is
//! UEFI keeps boot entries and keys in a file of its own per VM, copied from a template (`OVMF_VARS*.fd`). It is
//! missing and cannot be made, has another size or format than the flash it is mapped to, or was made for
//! another build of the firmware.
//!
//! Heard as: firmware settings, boot entries or Secure Boot keys are forgotten; hangs or is refused after the
//! firmware or its variable store was exchanged; 2M and 4M.
//!
//! Known by: VARS file missing or wrong size; boot entries lost at each start; cannot copy nvram template; Could not
//! open OVMF_VARS; pflash size; settings in the UEFI menu do not stay; boot variables gone after moving, restoring or
//! cloning; template; reset nvram; firmware upgrade changed size; UEFI settings lost.
//!
//! ## Why it happens
//! The VM was moved or restored without its NVRAM; the template is gone or not known to libvirt for a loader
//! path given by hand; the firmware went from 2 MB to 4 MB builds (VARS of 128 KiB against 528 KiB); the store
//! was converted to qcow2 and is declared raw, or the reverse; a block device of another size holds it.
//!
//! ## Confirm
//! `virsh dumpxml NAME | grep -E 'loader|nvram'`, `ls -lL` and `qemu-img info` of the store, and the size of the
//! template that its descriptor in `/usr/share/qemu/firmware` names.
//!
//! ## Refute
//! Store and template have one size and format, and the loader is the one that the store was made with.
//!
//! ## Fix
//! Stop the VM, keep the old store aside, and make a new one from the template of this firmware
//! (`virsh start --reset-nvram`, or copy the file). Boot entries and enrolled keys in it are lost.
//!
//! ## References
//! libvirt `docs/formatdomain.rst`, "nvram"; `src/qemu/qemu_process.c`, `qemuPrepareNVRAMFile()`;
//! QEMU `hw/block/pflash_cfi01.c`; `hw/block/block.c`, `blk_check_size_and_read_all()`.

use crate::prelude::*;

pub const RULE: Rule = Rule {
    tags: &["boot", "uefi"],
    needs: &[Need::Glob("/etc/libvirt/qemu/*.xml"), Need::Glob("/usr/share/qemu/firmware/*.json")],
    signs: &[
        Sign::proof("unable to find any master var store for loader"),
        Sign::proof("unable to find nvram template image"),
        Sign::proof("Could not open '*VARS*': No such file or directory"),
        Sign::proof("Could not open '*/nvram/*': No such file or directory"),
        Sign::strong("Could not open '*nvram*': No such file or directory"),
        Sign::strong("Failed to open file '*VARS*': No such file or directory"),
        Sign::strong("Failed to open file '*nvram*': No such file or directory"),
        Sign::strong("cannot stat '*VARS*': No such file or directory"),
        Sign::support("device requires {need} bytes, block backend provides {have} bytes"),
        Sign::support("block backend provides * bytes").and(&["_VARS"]),
        Sign::support("block backend provides * bytes").and(&["pflash1"]),
        Sign::support("block backend provides * bytes").and(&["efidisk"]),
        // pflash_cfi01.c: the store cannot be written.
        Sign::strong("Could not update PFLASH: "),
        Sign::proof("Unsupported nvram format"),
        Sign::proof("Unsupported nvram template format"),
        Sign::strong("conversion of the nvram template to another target format is not supported"),
        Sign::strong("NVRAM template is not permitted"),
        Sign::strong("firmware type 'bios' does not support nvram"),
        Sign::strong("unsupported nvram disk type"),
        Sign::proof("'block' nvram backing device '*' doesn't exist"),
        Sign::strong("Only EFI firmware permits NVRAM"),
        Sign::strong("cannot undefine domain with nvram"),
        Sign::strong("cannot delete inactive domain with nvram"),
        Sign::strong("failed to create nvram"),
        Sign::strong("Failed to create file '*nvram/"),
        Sign::strong("VARS*: Image is not in qcow2 format"),
        Sign::strong("nvram*: Image is not in qcow2 format"),
        Sign::support("no efidisk configured! Using temporary efivars disk"),
        Sign::strong("efidisk*: volume '*' does not exist"),
        Sign::support("pflash1*requires pflash0"),
        Sign::strong("131072*_VARS").and(&["_4M"]).unless(&["VARS_4M"]),
        Sign::strong("540672*_VARS").unless(&["_4M", ".4m"]),
        Sign::strong("efidisk format must be specified"),
        Sign::strong("no EFI disk configured"),
        Sign::strong("Obsolete nvram variable is set while firmware metadata files found"),
        Sign::strong("Changing secure-boot requires resetting NVRAM"),
        // OVMF and ArmVirtQemu: the store's volume is not what the firmware expects.
        Sign::strong("NvVarStore FV headers were invalid"),
        Sign::strong("NvVarStore FV checksum was invalid"),
        Sign::strong("NvVarStore header signature/size/format/state were invalid"),
        Sign::strong("Variable write service initialization failed"),
        Sign::support("The FVB Header is not valid"),
        Sign::support("Variable driver failed to get flash memory attribute"),
        Sign::support("NOR FLASH Programming [WriteSingleBlock] failed"),
        Sign::support("EraseSingleBlock(BlockAddress=*Error"),
        Sign::support("NorFlashInitialise: Fail to"),
        Sign::strong("Firmware Volume for Variable Store is corrupted"),
    ],
    words: &["nvram", "efivars", "efidisk", "boot entries"],
    explains: &["firmware/not-bootable", "firmware/wrong-binary", "guest/console-missing"],
    tells: "virsh dumpxml NAME | grep -E 'loader|nvram'; ls -lL both files",
    remedy: "make the variable store anew from the template that belongs to this firmware build, in its size and format",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::GuestRestart,
    check,
    ..Rule::NEW
};

/// Whether a path of edk2 firmware names the 4 MB build, as far as its name tells.
fn four_mb(line: &str) -> bool {
    ["_4m", ".4m", "-4m", "4mb"].iter().any(|mark| line.to_ascii_lowercase().contains(mark))
}

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    let named = ["OVMF_", "ovmf_", "Ovmf_"];
    for text in cx.texts_with(named) {
        let lines = || text.lines_with(named).map(|(number, line)| (number, line.to_ascii_uppercase()));
        // `<loader>` and `<nvram>`, or two `-drive if=pflash`: one path with CODE, another with VARS.
        let code = lines().find(|(_, line)| line.contains("OVMF_CODE") && !line.contains("VARS"));
        let vars = lines().find(|(_, line)| line.contains("OVMF_VARS") && !line.contains("CODE"));
        if let (Some((_, code)), Some((number, vars))) = (code, vars) {
            let builds_differ = four_mb(&code) != four_mb(&vars);
            if builds_differ && (code.contains("PFLASH") || code.contains("<LOADER")) {
                let quote = text.quote(number);
                draft =
                    draft.because(Strength::Strong, quote, "code and variable store are of different builds");
            }
        }
    }
    vec![draft.verdict()]
}
