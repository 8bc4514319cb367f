//! Pages of keys and values, shared by every sequence that begins with the same tokens.
//!
//! What was computed for a prefix is kept in a tree: a node is a page, its children continue it.
//! A new sequence walks down as far as its tokens agree, and takes the pages; a page that agrees
//! only in part is copied as far as it does. Pages that no running sequence uses are kept until
//! memory is needed, the least recently used ends of the tree going first.

use crate::kv::PAGE;
use crate::pages::Pages;

/// Pages of one model.
#[derive(Debug)]
pub struct PageCache {
    /// The pages themselves, for the decoder.
    pub pages: Pages,
    most: usize,
    free: Vec<usize>,
    nodes: Vec<Option<Node>>,
    spare: Vec<usize>,
    roots: Vec<usize>,
    clock: u64,
}

#[derive(Debug)]
struct Node {
    parent: Option<usize>,
    children: Vec<usize>,
    tokens: Vec<u32>,
    page: usize,
    /// Running sequences that use it.
    users: usize,
    used: u64,
}

/// Where a sequence's pages are: those it shares, then its own.
#[derive(Debug, Default)]
pub struct Held {
    nodes: Vec<usize>,
    /// Numbers of all its pages, in order.
    pub pages: Vec<usize>,
}

/// What the cache holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CacheUse {
    /// Pages that exist.
    pub pages: usize,
    /// Bytes of them.
    pub bytes: usize,
    /// Most bytes they may take.
    pub most_bytes: usize,
}

impl PageCache {
    /// An empty cache of at most so many bytes, and of one page at least. `pages` are of the
    /// decoder's kind, and none yet.
    pub fn new(pages: Pages, bytes: usize) -> Self {
        let most = (bytes / pages.shape().page_bytes().max(1)).max(1);
        Self {
            pages,
            most,
            free: Vec::new(),
            nodes: Vec::new(),
            spare: Vec::new(),
            roots: Vec::new(),
            clock: 0,
        }
    }

    /// Most tokens that fit, all sequences together.
    pub fn capacity(&self) -> usize {
        self.most * PAGE
    }

    /// Tokens for which there is room that no running sequence uses.
    pub fn room(&self) -> usize {
        let kept = self.nodes.iter().flatten().filter(|node| node.users == 0);
        (self.free.len() + self.most - self.pages.len() + kept.count()) * PAGE
    }

    /// What it holds.
    pub fn usage(&self) -> CacheUse {
        let page = self.pages.shape().page_bytes();
        CacheUse {
            pages: self.pages.len(),
            bytes: self.pages.len() * page,
            most_bytes: self.most * page,
        }
    }

    /// Pages for a sequence that begins with `tokens`, and how many of these are computed
    /// already. The last token never is: its logits are wanted.
    pub fn begin(&mut self, tokens: &[u32]) -> (Held, usize) {
        self.clock += 1;
        let mut held = Held::default();
        let mut done = 0;
        let limit = tokens.len().saturating_sub(1);
        loop {
            let rest = tokens.get(done..limit).unwrap_or_default();
            let Some((node, agree)) = self.best(held.nodes.last().copied(), rest) else {
                break;
            };
            if agree == PAGE {
                if let Some(found) = self.node_mut(node) {
                    found.users += 1;
                    let page = found.page;
                    held.nodes.push(node);
                    held.pages.push(page);
                }
                done += PAGE;
                continue;
            }
            // The copy must not throw out what it copies.
            self.hold(node, 1);
            let copied = self.copy(node);
            self.hold(node, -1);
            if let Some(page) = copied {
                held.pages.push(page);
                done += agree;
            }
            break;
        }
        for node in held.nodes.clone() {
            self.touch(node);
        }
        (held, done)
    }

    /// Makes room for `tokens` tokens. False where memory is spent on running sequences.
    pub fn grow(&mut self, held: &mut Held, tokens: usize) -> bool {
        while held.pages.len() * PAGE < tokens {
            match self.take() {
                Some(page) => held.pages.push(page),
                None => return false,
            }
        }
        true
    }

    /// Shares the pages that are full: `tokens` are those computed so far.
    pub fn share(&mut self, held: &mut Held, tokens: &[u32]) {
        let full_pages = tokens.as_chunks::<PAGE>().0;
        while let Some(full) = full_pages.get(held.nodes.len()) {
            let at = held.nodes.len();
            let Some(page) = held.pages.get(at).copied() else {
                return;
            };
            let parent = held.nodes.last().copied();
            let node = match self.exact(parent, full) {
                // Somebody else computed the same: one copy is enough.
                Some(node) => {
                    self.free.push(page);
                    node
                }
                None => self.insert(parent, full.to_vec(), page),
            };
            self.hold(node, 1);
            self.touch(node);
            if let (Some(number), Some(place)) = (
                self.node(node).map(|node| node.page),
                held.pages.get_mut(at),
            ) {
                *place = number;
            }
            held.nodes.push(node);
        }
    }

    /// Ends a sequence: what it computed stays for others as long as there is room.
    pub fn end(&mut self, mut held: Held, tokens: &[u32]) {
        self.share(&mut held, tokens);
        let full = held.nodes.len();
        let rest = tokens.get(full * PAGE..).unwrap_or_default();
        let parent = held.nodes.last().copied();
        let mut own = held.pages.split_off(full.min(held.pages.len())).into_iter();
        if !rest.is_empty()
            && let Some(page) = own.next()
        {
            let known = self
                .best(parent, rest)
                .filter(|(_, agree)| *agree == rest.len());
            match known {
                Some((node, _)) => {
                    self.touch(node);
                    self.free.push(page);
                }
                None => {
                    let node = self.insert(parent, rest.to_vec(), page);
                    self.touch(node);
                }
            }
        }
        self.free.extend(own);
        for node in held.nodes {
            self.hold(node, -1);
        }
    }

    /// The child that agrees longest with what follows, and how long.
    fn best(&self, parent: Option<usize>, rest: &[u32]) -> Option<(usize, usize)> {
        let agree = |node: &usize| {
            let tokens = self.node(*node).map_or(&[][..], |node| &node.tokens);
            let same = tokens.iter().zip(rest).take_while(|(a, b)| a == b).count();
            (*node, same)
        };
        let found = self.children(parent).iter().map(agree);
        found
            .filter(|(_, same)| *same > 0)
            .max_by_key(|(_, same)| *same)
    }

    fn exact(&self, parent: Option<usize>, tokens: &[u32]) -> Option<usize> {
        let mut children = self.children(parent).iter();
        let same = |node: &&usize| self.node(**node).is_some_and(|node| node.tokens == tokens);
        children.find(same).copied()
    }

    fn children(&self, parent: Option<usize>) -> &[usize] {
        match parent {
            None => &self.roots,
            Some(node) => self.node(node).map_or(&[], |node| &node.children),
        }
    }

    fn insert(&mut self, parent: Option<usize>, tokens: Vec<u32>, page: usize) -> usize {
        let node = Node {
            parent,
            children: Vec::new(),
            tokens,
            page,
            users: 0,
            used: self.clock,
        };
        let number = self.spare.pop().unwrap_or_else(|| {
            self.nodes.push(None);
            self.nodes.len() - 1
        });
        if let Some(place) = self.nodes.get_mut(number) {
            *place = Some(node);
        }
        match parent.and_then(|parent| self.node_mut(parent)) {
            Some(parent) => parent.children.push(number),
            None => self.roots.push(number),
        }
        number
    }

    /// A page of one's own with what a node's page holds.
    fn copy(&mut self, node: usize) -> Option<usize> {
        let page = self.take()?;
        let from = self.node(node)?.page;
        if let Err(error) = self.pages.copy(from, page) {
            tracing::warn!(%error, "a page cannot be shared in part");
            self.free.push(page);
            return None;
        }
        Some(page)
    }

    /// A page that nobody uses.
    fn take(&mut self) -> Option<usize> {
        if let Some(page) = self.free.pop() {
            return Some(page);
        }
        if self.pages.len() < self.most {
            match self.pages.add() {
                Ok(()) => return Some(self.pages.len() - 1),
                // The device is full: what there is must do.
                Err(error) => {
                    self.most = self.pages.len();
                    tracing::warn!(%error, pages = self.most, "the cache cannot grow further");
                }
            }
        }
        self.evict();
        self.free.pop()
    }

    /// Gives up the end of the tree that was used longest ago.
    fn evict(&mut self) {
        let ends = self.nodes.iter().enumerate().filter_map(|(number, node)| {
            let node = node.as_ref()?;
            (node.users == 0 && node.children.is_empty()).then_some((node.used, number))
        });
        let Some((_, oldest)) = ends.min() else {
            return;
        };
        let Some(node) = self.nodes.get_mut(oldest).and_then(Option::take) else {
            return;
        };
        let siblings = match node.parent {
            None => Some(&mut self.roots),
            Some(parent) => self.node_mut(parent).map(|parent| &mut parent.children),
        };
        if let Some(siblings) = siblings {
            siblings.retain(|sibling| *sibling != oldest);
        }
        self.spare.push(oldest);
        self.free.push(node.page);
    }

    fn hold(&mut self, node: usize, change: isize) {
        if let Some(node) = self.node_mut(node) {
            node.users = node.users.saturating_add_signed(change);
        }
    }

    /// A page was used, and so was everything before it: parents are never older than children.
    fn touch(&mut self, node: usize) {
        let clock = self.clock;
        let mut next = Some(node);
        while let Some(node) = next.and_then(|node| self.node_mut(node)) {
            node.used = clock;
            next = node.parent;
        }
    }

    fn node(&self, node: usize) -> Option<&Node> {
        self.nodes.get(node).and_then(Option::as_ref)
    }

    fn node_mut(&mut self, node: usize) -> Option<&mut Node> {
        self.nodes.get_mut(node).and_then(Option::as_mut)
    }
}

#[cfg(test)]
mod tests;
