//! The algebra of subjects: unions of patterns less patterns, told too large where they would take too many.

use super::glob::Glob;

/// The most parts that a set is told by; beyond, it is told too large, and says so.
const MOST: usize = 4096;

/// What fits a pattern and none of the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Region {
    pub(super) glob: Glob,
    pub(super) except: Vec<Glob>,
}

impl Region {
    pub(super) fn of(glob: Glob) -> Self {
        Self { glob, except: Vec::new() }
    }

    pub(super) fn contains(&self, subject: &str) -> bool {
        self.glob.matches(subject) && !self.except.iter().any(|glob| glob.matches(subject))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.except.iter().any(|except| except.covers(&self.glob))
    }

    /// Without what fits a pattern that it meets.
    pub(super) fn less(mut self, gone: &Glob) -> Option<Self> {
        if gone.covers(&self.glob) {
            return None;
        }
        if !self.except.iter().any(|known| known.covers(gone)) {
            self.except.retain(|known| !gone.covers(known));
            self.except.push(gone.clone());
        }
        Some(self)
    }

    /// Leaves out what the pattern does not have anyway, and what another exception has.
    pub(super) fn tidied(mut self) -> Option<Self> {
        if self.is_empty() {
            return None;
        }
        let meets = |except: &Glob| self.glob.intersect(except).is_none_or(|met| !met.is_empty());
        let mut kept: Vec<Glob> = Vec::new();
        for except in self.except.iter().filter(|except| meets(except)) {
            if !kept.iter().any(|known| known.covers(except)) {
                kept.retain(|known| !except.covers(known));
                kept.push(except.clone());
            }
        }
        self.except = kept;
        Some(self)
    }
}

/// A union of regions; too large where it could not be told exactly.
#[derive(Clone, Debug, Default)]
pub(super) struct Union {
    pub(super) regions: Vec<Region>,
    pub(super) exact: bool,
}

impl Union {
    pub(super) fn all() -> Self {
        Self { regions: vec![Region::of(Glob::all())], exact: true }
    }

    pub(super) fn nothing() -> Self {
        Self { regions: Vec::new(), exact: true }
    }

    /// What also fits one of some patterns.
    pub(super) fn within(self, globs: &[Glob]) -> Self {
        let mut exact = self.exact;
        let mut regions = Vec::new();
        for region in &self.regions {
            for glob in globs {
                let met = region.glob.intersect(glob).unwrap_or_else(|| {
                    exact = false;
                    vec![region.glob.clone()]
                });
                let each = met.into_iter().map(|glob| Region { glob, except: region.except.clone() });
                regions.extend(each.filter_map(Region::tidied));
                if regions.len() > MOST {
                    // The whole of what there was is more, and true.
                    return Self { regions: self.regions, exact: false };
                }
            }
        }
        Self { regions, exact }.tidied()
    }

    /// What fits none of some patterns.
    pub(super) fn without(mut self, globs: &[Glob]) -> Self {
        self.regions = self
            .regions
            .into_iter()
            .filter_map(|mut region| {
                region.except.extend(globs.iter().cloned());
                region.tidied()
            })
            .collect();
        self
    }

    /// What is not in another union. That one must be exact, or told too small.
    pub(super) fn minus(self, other: &Self) -> Self {
        let (mut left, mut split) = (self, false);
        for gone in &other.regions {
            if gone.except.is_empty() {
                left.regions.retain(|region| !gone.glob.covers(&region.glob));
            }
            let meets = |region: &Region| region.glob.intersect(&gone.glob).is_none_or(|met| !met.is_empty());
            let met: Vec<bool> = left.regions.iter().map(meets).collect();
            if !met.contains(&true) {
                continue;
            }
            split = true;
            let (mut regions, mut exact) = (Vec::new(), left.exact);
            for (region, met) in left.regions.iter().zip(met) {
                if !met {
                    regions.push(region.clone());
                    continue;
                }
                // What is outside of the pattern, and what is inside but among its exceptions.
                regions.extend(region.clone().less(&gone.glob));
                for back in &gone.except {
                    let met = region.glob.intersect(back).unwrap_or_else(|| {
                        exact = false;
                        vec![region.glob.clone()]
                    });
                    let each = met.into_iter().map(|glob| Region { glob, except: region.except.clone() });
                    regions.extend(each.filter_map(Region::tidied));
                }
            }
            if regions.len() > MOST {
                return Self { exact: false, ..left };
            }
            left = Self { regions, exact };
        }
        if split { left.tidied() } else { left }
    }

    /// Nothing, where it is told too large.
    pub(super) fn or_nothing(self) -> Self {
        if self.exact { self } else { Self::nothing() }
    }

    pub(super) fn and(mut self, other: Self) -> Self {
        self.exact &= other.exact;
        self.regions.extend(other.regions);
        self.tidied()
    }

    /// Leaves out regions that others have.
    pub(super) fn tidied(mut self) -> Self {
        let mut kept: Vec<Region> = Vec::new();
        for region in self.regions {
            let has = |known: &Region, region: &Region| {
                known.glob.covers(&region.glob)
                    && known.except.iter().all(|except| region.except.iter().any(|own| own.covers(except)))
            };
            if !kept.iter().any(|known| has(known, &region)) {
                kept.retain(|known| !has(&region, known));
                kept.push(region);
            }
        }
        self.regions = kept;
        self
    }
}
