//! Variety that is the same in each run.

/// xorshift64, from a seed that is not 0.
pub struct Dice(pub u64);

impl Dice {
    /// A number below `end`; 0 where there is none.
    pub fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end.max(1) as u64) as usize
    }
}
