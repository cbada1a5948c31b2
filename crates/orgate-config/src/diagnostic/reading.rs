//! How far the files were read and looked at.

use super::{Diagnostics, MOST_SHOWN};

impl Diagnostics {
    /// Whether there are more errors than are ever shown, so that nothing further is to be looked at. Whoever asks stops
    /// looking, and the findings say that there may be more.
    pub(crate) fn is_enough(&mut self) -> bool {
        self.cut |= self.errors > MOST_SHOWN;
        self.cut
    }

    /// Whether something was not looked at.
    pub(crate) fn is_cut(&self) -> bool {
        self.cut
    }

    /// Notes that of a large policy with errors it was not looked at how the rules go together.
    pub(crate) fn leave_off(&mut self) {
        self.left_off = true;
    }

    /// Whether that was not looked at.
    pub(crate) fn is_left_off(&self) -> bool {
        self.left_off
    }

    /// How much was found and read up to now.
    pub(crate) fn mark(&self) -> (usize, usize, usize) {
        (self.findings.len(), self.errors, self.values)
    }

    /// As if nothing had been found and read since the mark was made.
    pub(crate) fn back_to(&mut self, (findings, errors, values): (usize, usize, usize)) {
        self.findings.truncate(findings);
        (self.errors, self.values) = (errors, values);
    }

    /// Counts further keys and values of a file; the answer is how many there were in all files.
    pub(crate) fn count_values(&mut self, values: usize) -> usize {
        self.values = self.values.saturating_add(values);
        self.values
    }

    /// How many keys and values were read, in all files.
    #[cfg(test)]
    pub(crate) fn values(&self) -> usize {
        self.values
    }
}
