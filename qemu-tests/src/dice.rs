//! Chance that can be repeated.

/// splitmix64: what is thrown follows from the seed.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// Dice that throw what any others of this seed throw.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `bound`; 0 when there is none.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let number = usize::try_from((z ^ (z >> 31)) % 1_000_003).unwrap_or_default();
        number.checked_rem(bound).unwrap_or_default()
    }
}

/// That of `ORLOP_SEED`, else another one each time.
#[must_use]
pub fn seed() -> u64 {
    let given = std::env::var("ORLOP_SEED").ok();
    given
        .and_then(|text| text.parse().ok())
        .unwrap_or_else(|| u64::from(std::process::id()))
}
