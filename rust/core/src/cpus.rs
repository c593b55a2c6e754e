//! Count the CPUs that a process may use: its affinity, and the quota of its control group.

use std::fs;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::thread::available_parallelism;

/// Where control groups of version 2, and the CPU controller of version 1, are mounted.
const MOUNTS: [&str; 4] = ["", "cpu", "cpu,cpuacct", "cpuacct,cpu"];

/// Count the CPUs that this thread may run on, or fewer where a quota gives it the time of fewer, rounded up;
/// at least 1. `/` is the root of the file system, whose `proc` and `sys` tell it.
pub fn usable_cpus(root: &Path) -> usize {
    let affinity = affinity(root).unwrap_or_else(|| available_parallelism().map_or(1, NonZero::get));
    groups(root).iter().filter_map(|group| quota(group)).fold(affinity, usize::min).max(1)
}

/// Count the CPUs that the scheduler may put this thread on.
fn affinity(root: &Path) -> Option<usize> {
    let status = fs::read_to_string(root.join("proc/thread-self/status")).ok()?;
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?;
    // 0-3,8 are five.
    let count = |range: &str| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        Some(last.parse::<u32>().ok()?.checked_sub(first.parse().ok()?)? as usize + 1)
    };
    list.trim().split(',').map(count).sum::<Option<usize>>().filter(|&cpus| cpus > 0)
}

/// Find the directories of this process's control groups and of those above them: each has a quota of its own. In a
/// container the path may be that of the host, and only the mount itself is there.
fn groups(root: &Path) -> Vec<PathBuf> {
    let lines = fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    let mut groups = Vec::new();
    for line in lines.lines() {
        // 4:cpu,cpuacct:/path, or 0::/path of version 2.
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else {
            continue;
        };
        if controllers.is_empty() || controllers.split(',').any(|controller| controller == "cpu") {
            let mounts = MOUNTS.map(|mount| root.join("sys/fs/cgroup").join(mount));
            for above in Path::new(path.trim_start_matches('/')).ancestors() {
                groups.extend(mounts.iter().map(|mount| mount.join(above)));
            }
        }
    }
    groups
}

/// Count the CPUs whose time a control group has, rounded up; None: no limit.
fn quota(group: &Path) -> Option<usize> {
    let read = |name: &str| fs::read_to_string(group.join(name)).ok();
    let limit = read("cpu.max").or_else(|| {
        Some(format!("{} {}", read("cpu.cfs_quota_us")?.trim(), read("cpu.cfs_period_us")?.trim()))
    })?;
    // A quota of "max", and of -1 in version 1, is none.
    let (quota, period) = limit.trim().split_once(' ')?;
    let (quota, period): (usize, usize) = (quota.parse().ok()?, period.parse().ok()?);
    (period > 0).then(|| quota.div_ceil(period))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_files_it_is_what_the_system_says() {
        let expected = available_parallelism().map_or(1, NonZero::get);
        assert_eq!(usable_cpus(Path::new("/nowhere")), expected);
    }
}
