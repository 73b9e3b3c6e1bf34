//! What the machine is, and how busy it was.

use std::{path::Path, time::Duration};

use serde::Serialize;

use super::{read, ticks};
use crate::error::BenchError;

/// What figures should be read together with.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Machine {
    /// The processor's own name.
    pub(crate) processor: String,
    /// The cores that generator and server may use, and share.
    pub(crate) cores: usize,
    /// The kernel's release.
    pub(crate) kernel: String,
    /// The type of the file system that the data lie on.
    pub(crate) file_system: String,
}

impl Machine {
    /// This machine, with its data in `dir`.
    ///
    /// # Errors
    /// Where `/proc` cannot be read.
    pub(crate) fn look(dir: &Path) -> Result<Self, BenchError> {
        let processor = read("/proc/cpuinfo")?
            .lines()
            .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
            .map_or_else(|| "unknown".to_owned(), |(_, name)| name.trim().to_owned());
        let dir = dir.canonicalize().map_err(BenchError::read(dir))?;
        Ok(Self {
            processor,
            cores: std::thread::available_parallelism()
                .map_err(BenchError::io("count the cores"))?
                .get(),
            kernel: read("/proc/sys/kernel/osrelease")?.trim().to_owned(),
            file_system: file_system(&read("/proc/self/mountinfo")?, &dir).unwrap_or_else(|| "unknown".to_owned()),
        })
    }

    /// Whether what is written there is never on a disk: a commit costs nothing then, and durability is not measured.
    pub(crate) fn keeps_data_in_memory(&self) -> bool {
        matches!(self.file_system.as_str(), "tmpfs" | "ramfs")
    }
}

/// CPU of all cores together since the machine began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CpuTime {
    /// In use by anybody, the hypervisor's other guests ("steal") included.
    pub(crate) busy: Duration,
    /// In use or idle.
    pub(crate) total: Duration,
}

/// How busy the machine has been.
///
/// # Errors
/// Where `/proc` cannot be read.
pub(crate) fn cpu_time() -> Result<CpuTime, BenchError> {
    let path = "/proc/stat";
    parse_cpu_time(&read(path)?).ok_or_else(|| BenchError::ProcForm(path.to_owned()))
}

/// user, nice, system, idle, iowait, irq, softirq, steal; the two guest fields behind are in user and nice already.
fn parse_cpu_time(stat: &str) -> Option<CpuTime> {
    let fields = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let fields: Vec<u64> = fields
        .split_ascii_whitespace()
        .take(8)
        .map_while(|field| field.parse().ok())
        .collect();
    let [user, nice, system, idle, iowait, irq, softirq, steal] = fields.try_into().ok()?;
    let busy = user + nice + system + irq + softirq + steal;
    Some(CpuTime {
        busy: ticks(busy),
        total: ticks(busy + idle + iowait),
    })
}

/// The type of the deepest mount that holds `dir`; of several on one point the last, which hides the others.
fn file_system(mountinfo: &str, dir: &Path) -> Option<String> {
    mountinfo
        .lines()
        .filter_map(|line| {
            let (mount, kind) = line.split_once(" - ")?;
            let point = Path::new(mount.split(' ').nth(4)?);
            let kind = kind.split(' ').next()?;
            dir.starts_with(point).then_some((point.components().count(), kind))
        })
        .max_by_key(|(depth, _)| *depth)
        .map(|(_, kind)| kind.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "21 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n\
        22 21 0:20 / /tmp rw,nosuid shared:5 - tmpfs tmpfs rw\n\
        23 22 254:1 / /tmp/disk rw - xfs /dev/vdb rw\n";

    #[test]
    fn the_deepest_mount_names_the_file_system() {
        for (dir, wanted) in [
            ("/home/x/target", "ext4"),
            ("/tmp/bench", "tmpfs"),
            ("/tmp/disk/data", "xfs"),
            ("/tmpfoo", "ext4"),
        ] {
            assert_eq!(file_system(MOUNTS, Path::new(dir)).as_deref(), Some(wanted), "{dir}");
        }
        assert_eq!(file_system("", Path::new("/x")), None);
    }

    #[test]
    fn waiting_for_the_disk_is_idle_and_steal_is_busy() {
        let stat = "cpu  100 20 30 4000 500 6 7 8 9 10\ncpu0 1 1 1 1 1 1 1 1 1 1\n";
        let time = parse_cpu_time(stat).unwrap();
        assert_eq!(time.busy, Duration::from_millis(1710));
        assert_eq!(time.total, Duration::from_millis(46_710));
        assert_eq!(parse_cpu_time("cpu 1 2 3"), None);
    }

    #[test]
    fn this_machine_can_be_looked_at() {
        let machine = Machine::look(Path::new(".")).unwrap();
        assert!(machine.cores >= 1);
        assert!(!machine.kernel.is_empty());
        let time = cpu_time().unwrap();
        assert!(time.busy <= time.total);
    }
}
