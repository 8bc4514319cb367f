//! Pages in the processor's memory.

use crate::decoder::missing_page;
use crate::error::InferError;
use crate::kv::{KvShape, Page};

/// Pages in the processor's memory. Attention reads them as [`Page`] lays them out.
#[derive(Debug)]
pub struct HostPages {
    shape: KvShape,
    /// What is taken out is being written.
    pages: Vec<Option<Page>>,
}

impl HostPages {
    pub(super) fn new(shape: KvShape) -> Self {
        Self {
            shape,
            pages: Vec::new(),
        }
    }

    pub(super) fn shape(&self) -> KvShape {
        self.shape
    }

    pub(super) fn len(&self) -> usize {
        self.pages.len()
    }

    pub(super) fn add(&mut self) {
        self.pages.push(Some(Page::new(self.shape)));
    }

    pub(super) fn copy(&mut self, from: usize, to: usize) -> Result<(), InferError> {
        let copied = self.get(from).ok_or_else(missing_page)?.clone();
        self.put(to, copied);
        Ok(())
    }

    /// A page, to be read.
    pub fn get(&self, number: usize) -> Option<&Page> {
        self.pages.get(number).and_then(Option::as_ref)
    }

    /// A page, to be written and [`put`](Self::put) back: so threads can each have some.
    pub fn take(&mut self, number: usize) -> Option<Page> {
        self.pages.get_mut(number).and_then(Option::take)
    }

    /// Puts a page in the place of a number.
    pub fn put(&mut self, number: usize, page: Page) {
        if let Some(place) = self.pages.get_mut(number) {
            *place = Some(page);
        }
    }
}
