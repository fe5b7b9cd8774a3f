-- Grants, expiries and clawbacks are few among an account's entries: a history of them alone reads no charges. Charges, which are the many, are not in it.
create index entries_rare on entries (account, kind, lot_kind, seq) where kind in (1, 7, 8);
