//! What is known of each item, in pages of neighbouring numbers.

use std::collections::HashMap;

/// Items of a page: 4 KiB of checks.
const PAGE: usize = 1024;

/// What is known of one item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark(u8);

impl Mark {
    pub const SENT: Self = Self(1);
    pub const RECEIVED: Self = Self(2);
    pub const CORRUPT: Self = Self(4);

    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    pub const fn add(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

/// Marks and checks by number.
///
/// Cost: 5 bytes for an item where numbers are dense, 500 MB for 100 million; 5 KiB for an item
/// that has no neighbour.
#[derive(Debug, Default)]
pub struct Pages {
    pages: HashMap<u64, Box<Page>>,
    /// The page that was asked for last is asked for next, nearly always.
    last: Option<(u64, Box<Page>)>,
}

#[derive(Debug)]
struct Page {
    checks: [u32; PAGE],
    marks: [Mark; PAGE],
}

impl Pages {
    /// The check and the mark of an item.
    pub fn slot(&mut self, id: u64) -> (&mut u32, &mut Mark) {
        let number = id / PAGE as u64;
        if self.last.as_ref().is_none_or(|(last, _)| *last != number) {
            if let Some((last, page)) = self.last.take() {
                self.pages.insert(last, page);
            }
            let page = self.pages.remove(&number).unwrap_or_else(Page::empty);
            self.last = Some((number, page));
        }
        let (_, page) = self.last.as_mut().expect("it was put there");
        let index = (id % PAGE as u64) as usize;
        (&mut page.checks[index], &mut page.marks[index])
    }

    /// Every item that has a mark, in no order.
    pub fn each(&self) -> impl Iterator<Item = (u64, Mark)> {
        let last = self.last.iter().map(|(number, page)| (*number, page));
        let pages = self.pages.iter().map(|(number, page)| (*number, page));
        let marks = pages.chain(last).flat_map(|(number, page)| {
            let base = number * PAGE as u64;
            let numbered = page.marks.iter().enumerate();
            numbered.map(move |(index, mark)| (base + index as u64, *mark))
        });
        marks.filter(|(_, mark)| *mark != Mark(0))
    }
}

impl Page {
    fn empty() -> Box<Self> {
        Box::new(Self {
            checks: [0; PAGE],
            marks: [Mark(0); PAGE],
        })
    }
}
