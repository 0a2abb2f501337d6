// A strict reader of HTML pages as we write them, for tests: far stricter than a browser.
#ifndef KPRUNE_TESTS_SUPPORT_WELL_FORMED_H_
#define KPRUNE_TESTS_SUPPORT_WELL_FORMED_H_

#include <string>

namespace kprune::testing {

// What is wrong with `page` as a self-contained page; "" if nothing is. Every element is closed in order but
// the void ones; attributes have double quotes and come once; `&` only begins a known reference; there is no
// stray `<` or `>`, no script, no handler of events, no element and no style that loads anything, and no
// reference to another place but to a path beside the page.
std::string WhatIsWrongWithPage(const std::string& page);

}  // namespace kprune::testing

#endif  // KPRUNE_TESTS_SUPPORT_WELL_FORMED_H_
