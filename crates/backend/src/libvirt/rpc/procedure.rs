//! The procedures that are called, with their numbers in `src/remote/remote_protocol.x` and
//! `src/remote/qemu_protocol.x` of libvirt's source. They never change: they are libvirt's ABI.

/// `REMOTE_PROGRAM`.
pub(crate) const REMOTE: u32 = 0x2000_8086;
/// `QEMU_PROGRAM`.
pub(crate) const QEMU: u32 = 0x2000_8087;
/// `KEEPALIVE_PROGRAM` of `src/rpc/virkeepaliveprotocol.x`.
pub(crate) const KEEPALIVE: u32 = 0x6b65_6570;
/// `KEEPALIVE_PROC_PING`.
pub(crate) const PING: i32 = 1;
/// `KEEPALIVE_PROC_PONG`.
pub(crate) const PONG: i32 = 2;
/// `REMOTE_PROC_DOMAIN_EVENT_CALLBACK_LIFECYCLE`: comes unasked once it was registered for.
pub(crate) const EVENT_LIFECYCLE: i32 = 318;

/// A procedure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Procedure {
    pub(crate) program: u32,
    pub(crate) number: i32,
    /// Its name for people, as libvirt's library has it.
    pub(crate) name: &'static str,
}

const fn remote(number: i32, name: &'static str) -> Procedure {
    Procedure { program: REMOTE, number, name }
}

pub(crate) const CONNECT_OPEN: Procedure = remote(1, "virConnectOpen");
pub(crate) const CONNECT_CLOSE: Procedure = remote(2, "virConnectClose");
pub(crate) const CREATE_XML: Procedure = remote(10, "virDomainCreateXML");
pub(crate) const GET_XML_DESC: Procedure = remote(14, "virDomainGetXMLDesc");
pub(crate) const LOOKUP_BY_NAME: Procedure = remote(23, "virDomainLookupByName");
pub(crate) const RESUME: Procedure = remote(28, "virDomainResume");
pub(crate) const SUSPEND: Procedure = remote(34, "virDomainSuspend");
pub(crate) const SUPPORTS_FEATURE: Procedure = remote(60, "virConnectSupportsFeature");
pub(crate) const AUTH_LIST: Procedure = remote(66, "the list of ways to log in");
pub(crate) const AUTH_POLKIT: Procedure = remote(70, "polkit's permission");
pub(crate) const LIB_VERSION: Procedure = remote(157, "virConnectGetLibVersion");
pub(crate) const ATTACH_DEVICE: Procedure = remote(160, "virDomainAttachDeviceFlags");
pub(crate) const DETACH_DEVICE: Procedure = remote(161, "virDomainDetachDeviceFlags");
pub(crate) const UPDATE_DEVICE: Procedure = remote(174, "virDomainUpdateDeviceFlags");
pub(crate) const ABORT_JOB: Procedure = remote(164, "virDomainAbortJob");
pub(crate) const SET_MAX_DOWNTIME: Procedure = remote(166, "virDomainMigrateSetMaxDowntime");
pub(crate) const MANAGED_SAVE: Procedure = remote(182, "virDomainManagedSave");
pub(crate) const HAS_MANAGED_SAVE: Procedure = remote(183, "virDomainHasManagedSaveImage");
pub(crate) const MANAGED_SAVE_REMOVE: Procedure = remote(184, "virDomainManagedSaveRemove");
pub(crate) const SNAPSHOT_CREATE: Procedure = remote(185, "virDomainSnapshotCreateXML");
pub(crate) const SNAPSHOT_LOOKUP: Procedure = remote(189, "virDomainSnapshotLookupByName");
pub(crate) const SNAPSHOT_REVERT: Procedure = remote(192, "virDomainRevertToSnapshot");
pub(crate) const SNAPSHOT_DELETE: Procedure = remote(193, "virDomainSnapshotDelete");
pub(crate) const CREATE: Procedure = remote(196, "virDomainCreateWithFlags");
pub(crate) const SET_VCPUS: Procedure = remote(199, "virDomainSetVcpusFlags");
pub(crate) const OPEN_CONSOLE: Procedure = remote(201, "virDomainOpenConsole");
pub(crate) const SET_MEMORY: Procedure = remote(204, "virDomainSetMemoryFlags");
pub(crate) const SCREENSHOT: Procedure = remote(211, "virDomainScreenshot");
pub(crate) const GET_STATE: Procedure = remote(212, "virDomainGetState");
pub(crate) const UNDEFINE: Procedure = remote(231, "virDomainUndefineFlags");
pub(crate) const RESTORE: Procedure = remote(233, "virDomainRestoreFlags");
pub(crate) const DESTROY: Procedure = remote(234, "virDomainDestroyFlags");
pub(crate) const BLOCK_RESIZE: Procedure = remote(251, "virDomainBlockResize");
pub(crate) const BLOCK_IO_TUNE: Procedure = remote(252, "virDomainSetBlockIoTune");
pub(crate) const INTERFACE_PARAMETERS: Procedure = remote(256, "virDomainSetInterfaceParameters");
pub(crate) const SHUTDOWN: Procedure = remote(258, "virDomainShutdownFlags");
pub(crate) const LIST_ALL_DOMAINS: Procedure = remote(273, "virConnectListAllDomains");
pub(crate) const LIST_SNAPSHOTS: Procedure = remote(274, "virDomainListAllSnapshots");
pub(crate) const GET_JOB_STATS: Procedure = remote(298, "virDomainGetJobStats");
pub(crate) const MIGRATE_PERFORM: Procedure = remote(305, "virDomainMigratePerform3Params");
pub(crate) const EVENT_REGISTER: Procedure = remote(316, "virConnectDomainEventRegisterAny");
pub(crate) const ALL_STATS: Procedure = remote(344, "virConnectGetAllDomainStats");
pub(crate) const DEFINE_XML: Procedure = remote(350, "virDomainDefineXMLFlags");
pub(crate) const AGENT_COMMAND: Procedure =
    Procedure { program: QEMU, number: 3, name: "virDomainQemuAgentCommand" };
