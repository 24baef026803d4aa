"""The system calls a command is refused, as a filter program for the kernel.

The list names what lets a program leave its place or reach into another: mounts, namespaces, other
processes' memory, kernel modules, keys. Everything else is allowed, so that node, npm, python, pip,
git and vim run unchanged. Refused calls fail with EPERM; debuggers and nested sandboxes (strace,
bwrap, Chromium's own) do not work inside.
"""

import errno
import tempfile
from typing import Final

REFUSED: Final = (
    "acct",
    "add_key",
    "bpf",
    "chroot",
    "clock_adjtime",
    "clock_settime",
    "delete_module",
    "fanotify_init",
    "finit_module",
    "fsconfig",
    "fsmount",
    "fsopen",
    "fspick",
    "init_module",
    "io_uring_enter",
    "io_uring_register",
    "io_uring_setup",
    "ioperm",
    "iopl",
    "kcmp",
    "kexec_file_load",
    "kexec_load",
    "keyctl",
    "lookup_dcookie",
    "mount",
    "mount_setattr",
    "move_mount",
    "name_to_handle_at",
    "nfsservctl",
    "open_by_handle_at",
    "open_tree",
    "perf_event_open",
    "pidfd_getfd",
    "pivot_root",
    "process_madvise",
    "process_vm_readv",
    "process_vm_writev",
    "ptrace",
    "quotactl",
    "quotactl_fd",
    "reboot",
    "request_key",
    "setdomainname",
    "sethostname",
    "setns",
    "settimeofday",
    "swapoff",
    "swapon",
    "syslog",
    "umount",
    "umount2",
    "userfaultfd",
    "vhangup",
)

NAMESPACES: Final = {
    "CLONE_NEWNS": 0x00020000,
    "CLONE_NEWCGROUP": 0x02000000,
    "CLONE_NEWUTS": 0x04000000,
    "CLONE_NEWIPC": 0x08000000,
    "CLONE_NEWUSER": 0x10000000,
    "CLONE_NEWPID": 0x20000000,
    "CLONE_NEWNET": 0x40000000,
}
SOCKETS: Final = {"AF_ALG": 38, "AF_VSOCK": 40}
TIOCSTI: Final = 0x5412  # types into a terminal on someone's behalf
LOW_WORD: Final = 0xFFFFFFFF


def program() -> bytes:
    """The filter, in the form the kernel takes.

    Raises:
        ImportError: pyseccomp or libseccomp is not there.
        OSError: libseccomp does not know this machine.
    """
    # Loading libseccomp takes 30 ms and fails where it is missing: only who asks for it pays.
    import pyseccomp  # noqa: PLC0415

    refuse = pyseccomp.ERRNO(errno.EPERM)
    rules = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
    for name in REFUSED:
        _add(rules, refuse, name)
    for flag in NAMESPACES.values():
        is_set = pyseccomp.Arg(0, pyseccomp.MASKED_EQ, flag, flag)
        _add(rules, refuse, "clone", is_set)
        _add(rules, refuse, "unshare", is_set)
    for family in SOCKETS.values():
        _add(rules, refuse, "socket", pyseccomp.Arg(0, pyseccomp.EQ, family))
    _add(rules, refuse, "ioctl", pyseccomp.Arg(1, pyseccomp.MASKED_EQ, LOW_WORD, TIOCSTI))
    # Its flags lie behind a pointer, which a filter cannot read; told it does not exist, the C
    # library falls back to clone.
    _add(rules, pyseccomp.ERRNO(errno.ENOSYS), "clone3")
    with tempfile.TemporaryFile() as file:
        rules.export_bpf(file)
        file.seek(0)
        return file.read()


def _add(rules: object, action: int, name: str, *arguments: object) -> None:
    try:
        rules.add_rule(action, name, *arguments)  # type: ignore[attr-defined]
    except (OSError, ValueError):
        return  # a call that this machine, or this libseccomp, does not have
