//! Name the processor, and those of its instruction sets that decide how fast inference is.

/// Read the name that the processor gives itself, where it gives one (x86).
pub fn processor_name() -> Option<String> {
    detected::name().map(|name| name.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// Find the instruction sets that the processor has and the operating system lets programs use, of those that matter
/// to the arithmetic of neural networks, by Linux's names.
pub fn instruction_sets() -> Vec<&'static str> {
    detected::sets().into_iter().filter_map(|(name, is_there)| is_there.then_some(name)).collect()
}

#[cfg(target_arch = "x86_64")]
mod detected {
    use raw_cpuid::CpuId;

    /// Bits of the register that tells which states the operating system saves: those of the AMX tiles.
    const TILES: u64 = 0b11 << 17;

    pub(super) fn name() -> Option<String> {
        CpuId::new().get_processor_brand_string().map(|brand| brand.as_str().to_owned())
    }

    pub(super) fn sets() -> [(&'static str, bool); 8] {
        let cpuid = CpuId::new();
        let features = cpuid.get_extended_feature_info();
        let has = |read: fn(&raw_cpuid::ExtendedFeatures) -> bool| features.as_ref().is_some_and(read);
        // The standard library asks the operating system too.
        let (avx2, avx512) = (is_x86_feature_detected!("avx2"), is_x86_feature_detected!("avx512f"));
        let tiles = avx512 && saved_states() & TILES == TILES;
        [
            ("sse4_1", is_x86_feature_detected!("sse4.1")),
            ("avx2", avx2),
            ("avx_vnni", avx2 && has(raw_cpuid::ExtendedFeatures::has_avx_vnni)),
            ("avx512f", avx512),
            ("avx512_vnni", avx512 && has(raw_cpuid::ExtendedFeatures::has_avx512vnni)),
            ("avx512_bf16", avx512 && has(raw_cpuid::ExtendedFeatures::has_avx512_bf16)),
            ("amx_int8", tiles && has(raw_cpuid::ExtendedFeatures::has_amx_int8)),
            ("amx_bf16", tiles && has(raw_cpuid::ExtendedFeatures::has_amx_bf16)),
        ]
    }

    /// Read the states that the operating system saves for programs; called where it is known to save AVX's.
    #[allow(unsafe_code)]
    fn saved_states() -> u64 {
        #[target_feature(enable = "xsave")]
        fn read() -> u64 {
            // SAFETY: register 0 is there wherever XSAVE is.
            unsafe { std::arch::x86_64::_xgetbv(0) }
        }
        // SAFETY: AVX cannot be used without XSAVE, and was detected.
        unsafe { read() }
    }
}

#[cfg(target_arch = "aarch64")]
mod detected {
    use std::arch::is_aarch64_feature_detected;

    pub(super) fn name() -> Option<String> {
        None
    }

    pub(super) fn sets() -> [(&'static str, bool); 4] {
        [
            ("asimd", is_aarch64_feature_detected!("neon")),
            ("asimddp", is_aarch64_feature_detected!("dotprod")),
            ("i8mm", is_aarch64_feature_detected!("i8mm")),
            ("bf16", is_aarch64_feature_detected!("bf16")),
        ]
    }
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
mod detected {
    pub(super) fn name() -> Option<String> {
        None
    }

    pub(super) fn sets() -> [(&'static str, bool); 0] {
        []
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    fn it_is_what_linux_says() {
        let read = std::fs::read_to_string("/proc/cpuinfo").unwrap();
        let value = |name: &str| {
            let (_, value) =
                read.lines().filter_map(|line| line.split_once(':')).find(|(key, _)| key.trim() == name)?;
            Some(value.split_whitespace().collect::<Vec<_>>())
        };
        assert_eq!(processor_name(), value("model name").map(|words| words.join(" ")));
        let flags = value("flags").unwrap();
        for (name, is_there) in detected::sets() {
            assert_eq!(is_there, flags.contains(&name), "{name}");
        }
    }
}
