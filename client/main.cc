#include "client/app.h"

int main(int argc, char** argv) { return kprune::client::RunApp(argc, argv); }
