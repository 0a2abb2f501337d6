#include "client/command.h"

#include "client/flag_values.h"
#include "kprune/layout.h"

namespace kprune::client {

void AddProgressFlag(CLI::App& app, ProgressMode& mode) {
  AddChoice<ProgressMode>(
      app, "--progress", mode,
      {{"auto", ProgressMode::kAuto},
       {"bar", ProgressMode::kBar},
       {"plain", ProgressMode::kPlain},
       {"json", ProgressMode::kJson},
       {"none", ProgressMode::kNone}},
      "How progress is shown on standard error; auto is a bar on a terminal, else plain lines");
}

void AddFormatFlag(CLI::App& app, TextFormat& format) {
  AddChoice<TextFormat>(app, "--format", format, {{"text", TextFormat::kText}, {"json", TextFormat::kJson}},
                        "How the result is printed on standard output");
}

void AddSizesFlag(CLI::App& app, const std::string& flag, const std::string& help, nlohmann::json& object) {
  std::string key = flag.substr(2);
  std::replace(key.begin(), key.end(), '-', '_');
  app.add_option_function<std::string>(
         flag,
         [key, &object](const std::string& list) {
           object[key] = nlohmann::json::array();
           for (const std::string& item : ItemsOf(list)) object[key].push_back(SizeIn(item));
         },
         help)
      ->check(CLI::Validator(EachItem(CheckSize), "", "sizes"));
}

void AddJobFormatFlag(CLI::App& app, JobFormat& format) {
  AddChoice<JobFormat>(app, "-o,--format", format,
                       {{"table", JobFormat::kTable},
                        {"wide", JobFormat::kWide},
                        {"json", JobFormat::kJson},
                        {"name", JobFormat::kName}},
                       "How jobs are printed on standard output");
}

void AddDataFlag(CLI::App& app, std::vector<std::string>& files, const std::string& what) {
  app.add_option("--data", files, absl::StrCat(what, ": ", DataEndings(), " (token ids)"))
      ->required()
      ->check(CLI::ExistingFile);
}

void AddServerFlags(CLI::App& app, ServerFlags& flags) {
  app.add_option("--server", flags.address,
                 absl::StrCat("The server as HOST:PORT (default: ", kDefaultServer, ")"))
      ->envname("KPRUNE_SERVER");
  app.add_option("--tls-ca", flags.tls_ca,
                 "Speak TLS, and trust servers whose certificate is of these authorities (PEM)")
      ->envname("KPRUNE_TLS_CA")
      ->check(CLI::ExistingFile);
  CLI::Option* const certificate =
      app.add_option("--tls-cert", flags.tls_cert, "This client's certificate chain (PEM)")
          ->envname("KPRUNE_CLIENT_TLS_CERT")
          ->check(CLI::ExistingFile);
  CLI::Option* const key = app.add_option("--tls-key", flags.tls_key, "Private key of --tls-cert (PEM)")
                               ->envname("KPRUNE_CLIENT_TLS_KEY")
                               ->check(CLI::ExistingFile);
  certificate->needs(key);
  key->needs(certificate);
  app.add_option("--tls-server-name", flags.tls_server_name,
                 "The name in the server's certificate, where it is not that of --server");
  app.add_option("--token-file", flags.token_file, "File that holds the token that says who calls")
      ->envname("KPRUNE_TOKEN_FILE");
  app.add_flag("--insecure", flags.insecure,
               "Send the token also where others could read it: to another machine without TLS");
}

}  // namespace kprune::client
