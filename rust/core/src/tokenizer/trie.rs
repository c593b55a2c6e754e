//! A double-array trie (Aoe 1989, doi:10.1109/32.31365) over bytes, with two roots.

/// One node. The child of a node for byte b is at `base ^ b`, if that node's `parent` points back.
#[derive(Debug, Clone, Copy)]
struct Node {
    base: u32,
    parent: u32,
    /// The id of the key that ends here, or `NO_ID`.
    id: u32,
}

const NO_ID: u32 = u32::MAX;
const NO_PARENT: u32 = u32::MAX;
const FREE: Node = Node { base: 0, parent: NO_PARENT, id: NO_ID };
/// Blocks of 256 nodes that are searched for free places; older ones are nearly full.
const OPEN_BLOCKS: usize = 16;

/// A position in the trie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct State(u32);

/// Keys that may begin a word, and keys that may continue one.
#[derive(Debug)]
pub(crate) struct Trie {
    nodes: Vec<Node>,
}

impl Trie {
    /// Where keys that begin a word start.
    pub(crate) const BEGIN: State = State(0);
    /// Where keys that continue a word start.
    pub(crate) const CONTINUE: State = State(1);

    /// Build from keys without duplicates; empty keys are left out.
    pub(crate) fn new(begin: Vec<(&[u8], u32)>, continuing: Vec<(&[u8], u32)>) -> Trie {
        let mut builder = Builder { nodes: vec![FREE; 256], first_open: 2, used: vec![0; 1] };
        for root in [Trie::BEGIN, Trie::CONTINUE] {
            builder.occupy(root.0 as usize, root.0);
        }
        for (root, mut keys) in [(Trie::BEGIN, begin), (Trie::CONTINUE, continuing)] {
            keys.retain(|(key, _)| !key.is_empty());
            keys.sort_unstable();
            builder.insert_all(root.0 as usize, &keys);
        }
        Trie { nodes: builder.nodes }
    }

    /// Find the state after one more byte.
    #[inline]
    pub(crate) fn step(&self, state: State, byte: u8) -> Option<State> {
        let child = self.nodes.get(state.0 as usize)?.base ^ u32::from(byte);
        let node = self.nodes.get(child as usize)?;
        (node.parent == state.0 && child != state.0).then_some(State(child))
    }

    /// The id of the key that ends in this state.
    #[inline]
    pub(crate) fn id(&self, state: State) -> Option<u32> {
        self.nodes.get(state.0 as usize).map(|node| node.id).filter(|&id| id != NO_ID)
    }

    /// Look up the id of a whole key.
    pub(crate) fn get(&self, root: State, key: &[u8]) -> Option<u32> {
        let mut state = root;
        for &byte in key {
            state = self.step(state, byte)?;
        }
        self.id(state)
    }
}

struct Builder {
    nodes: Vec<Node>,
    /// No place before this one is searched.
    first_open: usize,
    /// Occupied nodes of each block.
    used: Vec<u16>,
}

impl Builder {
    fn occupy(&mut self, index: usize, parent: u32) {
        self.nodes[index].parent = parent;
        self.used[index / 256] += 1;
    }

    /// Insert sorted keys below `root`, breadth of one node at a time.
    fn insert_all(&mut self, root: usize, keys: &[(&[u8], u32)]) {
        let mut pending = vec![(root, keys, 0_usize)];
        let mut groups: Vec<&[(&[u8], u32)]> = Vec::new();
        let mut labels = Vec::new();
        while let Some((node, mut keys, depth)) = pending.pop() {
            if let Some(((key, id), longer)) = keys.split_first()
                && key.len() == depth
            {
                self.nodes[node].id = *id;
                keys = longer;
            }
            if keys.is_empty() {
                continue;
            }
            groups.clear();
            groups.extend(keys.chunk_by(|a, b| a.0[depth] == b.0[depth]));
            labels.clear();
            labels.extend(groups.iter().map(|group| group[0].0[depth]));
            let base = self.find_base(&labels);
            self.nodes[node].base = base as u32;
            for (&label, group) in labels.iter().zip(&groups) {
                let child = base ^ usize::from(label);
                self.occupy(child, node as u32);
                pending.push((child, group, depth + 1));
            }
        }
    }

    /// Find a base whose children for `labels` are all free. XOR keeps the children in the base's block.
    fn find_base(&mut self, labels: &[u8]) -> usize {
        let open = self.used.len().saturating_sub(OPEN_BLOCKS) * 256;
        self.first_open = self.first_open.max(open);
        while self.first_open < self.nodes.len() && self.nodes[self.first_open].parent != NO_PARENT {
            self.first_open += 1;
        }
        for place in self.first_open..self.nodes.len() {
            let base = place ^ usize::from(labels[0]);
            let block = place / 256;
            if usize::from(self.used[block]) + labels.len() <= 256
                && labels.iter().all(|&label| self.nodes[base ^ usize::from(label)].parent == NO_PARENT)
            {
                return base;
            }
        }
        let base = self.nodes.len();
        self.nodes.resize(base + 256, FREE);
        self.used.push(0);
        base
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn every_key_is_found_and_no_other() {
        // Two letters of every byte value and longer keys: full nodes, chains and several blocks.
        let mut keys: BTreeMap<Vec<u8>, u32> = BTreeMap::new();
        for i in 0..20_000_u32 {
            let bytes = i.wrapping_mul(2_654_435_761).to_le_bytes();
            keys.insert(bytes[..1 + i as usize % 4].to_vec(), i);
        }
        let begin = || keys.iter().map(|(key, &id)| (key.as_slice(), id)).collect::<Vec<_>>();
        let continuing = begin().into_iter().filter(|(_, id)| id % 3 == 0).collect();
        let trie = Trie::new(begin(), continuing);
        for i in 0..60_000_u32 {
            let bytes = i.wrapping_mul(2_654_435_761).to_le_bytes();
            let key = &bytes[..1 + i as usize % 4];
            let id = keys.get(key).copied();
            assert_eq!(trie.get(Trie::BEGIN, key), id);
            assert_eq!(trie.get(Trie::CONTINUE, key), id.filter(|id| id % 3 == 0));
        }
        assert_eq!(trie.get(Trie::BEGIN, b""), None);
    }
}
