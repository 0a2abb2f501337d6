// The command line as a whole.
#ifndef KPRUNE_CLIENT_APP_H_
#define KPRUNE_CLIENT_APP_H_

namespace kprune::client {

// Runs the program and returns its exit code (command.h): 0 done, 1 failed, 2 cancelled, 3 the command line
// is wrong. Every failure is one line "kprune: SENTENCE" on standard error. Call once, before any thread is
// started.
int RunApp(int argc, char** argv);

}  // namespace kprune::client

#endif  // KPRUNE_CLIENT_APP_H_
