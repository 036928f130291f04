import { expect, test } from "vitest";
import { createSpace } from "./support/space.ts";

test("[P2-K-group_operations] create, add, update, remove reach exactly the right people", () => {
  const { alice, bob, carol, ...space } = createSpace();
  space.setReaders(alice, bob);
  const first = space.rekey(alice);
  space.deliver();
  expect(bob.eligible()).toBe(first);
  expect(bob.readKey(first)).toEqual(alice.readKey(first));
  space.setReaders(alice, bob, carol);
  expect(bob.eligible()).toBeUndefined();
  expect(bob.owed().rekey).toBe(false);
  space.pay(bob);
  space.deliver();
  expect(carol.readKey(first)).toEqual(alice.readKey(first));
  expect(alice.eligible()).toBe(first);
  const second = space.rekey(alice);
  space.deliver();
  expect(carol.eligible()).toBe(second);
  space.setReaders(bob, carol);
  expect(carol.owed().rekey).toBe(true);
  const third = space.rekey(carol);
  space.deliver();
  expect(bob.eligible()).toBe(third);
  expect(alice.readKey(third)).toBeUndefined();
});
