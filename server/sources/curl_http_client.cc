#include "server/sources/curl_http_client.h"

#include <curl/curl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <charconv>
#include <mutex>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace kprune {
namespace {

constexpr int kTickMs = 50;
constexpr long kSlowestBytesPerSecond = 1024;
constexpr size_t kMaxHeaderBytes = 64 * 1024;
constexpr int64_t kMaxRetryAfterSeconds = 60;

struct EasyDeleter {
  void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
};
struct MultiDeleter {
  void operator()(CURLM* multi) const { curl_multi_cleanup(multi); }
};
struct ListDeleter {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using Easy = std::unique_ptr<CURL, EasyDeleter>;
using HeaderList = std::unique_ptr<curl_slist, ListDeleter>;

// Keeps a broken connection from ending the process: OpenSSL writes without MSG_NOSIGNAL.
class SigpipeBlocked {
 public:
  SigpipeBlocked() {
    sigemptyset(&sigpipe_);
    sigaddset(&sigpipe_, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &sigpipe_, &before_);
  }
  ~SigpipeBlocked() {
    if (sigismember(&before_, SIGPIPE) == 1) return;
    const timespec at_once = {};
    while (sigtimedwait(&sigpipe_, nullptr, &at_once) > 0) {
    }
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }

 private:
  sigset_t sigpipe_, before_;
};

int64_t Number(std::string_view text) {
  int64_t value = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() ? value : -1;
}

// One exchange under way: what libcurl's callbacks share.
struct Exchange {
  const AddressRules& addresses;
  const std::string& host;
  HttpReceiver& receiver;
  HttpHead head;
  size_t header_bytes = 0;
  bool head_told = false;
  bool address_refused = false;
  absl::Status received;  // not OK: the receiver ended it

  void OnHeaderLine(std::string_view line) {
    if (line.starts_with("HTTP/")) {  // of an interim answer (100) or of the last one
      head = HttpHead();
      const size_t space = line.find(' ');
      head.status = space == std::string_view::npos ? 0 : static_cast<int>(Number(line.substr(space + 1)));
      return;
    }
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos) return;
    const std::string name = absl::AsciiStrToLower(std::string(line.substr(0, colon)));
    const std::string value(absl::StripAsciiWhitespace(std::string(line.substr(colon + 1))));
    if (name == "content-length" && Number(value) >= 0) head.content_length = Number(value);
    if (name == "content-range" && value.starts_with("bytes ")) head.range_start = Number(value.substr(6));
    if (name == "etag") head.etag = value;
    if (name == "location") head.location = value;
    if (name == "retry-after" && Number(value) > 0)
      head.retry_after = absl::Seconds(std::min(Number(value), kMaxRetryAfterSeconds));
  }

  bool TellHead() {
    if (!head_told) received = receiver.OnHead(head);
    head_told = true;
    return received.ok();
  }
};

size_t OnHeader(char* data, size_t, size_t size, void* user) {
  Exchange& exchange = *static_cast<Exchange*>(user);
  exchange.header_bytes += size;
  if (exchange.header_bytes > kMaxHeaderBytes) return 0;
  exchange.OnHeaderLine(std::string_view(data, size));
  return size;
}

size_t OnData(char* data, size_t, size_t size, void* user) {
  Exchange& exchange = *static_cast<Exchange*>(user);
  if (!exchange.TellHead()) return 0;
  exchange.received = exchange.receiver.OnBody(std::string_view(data, size));
  return exchange.received.ok() ? size : 0;
}

curl_socket_t OpenSocket(void* user, curlsocktype, curl_sockaddr* address) {
  Exchange& exchange = *static_cast<Exchange*>(user);
  NetworkAddress network;
  if (!ToNetworkAddress(address->addr, &network) || !exchange.addresses.Allows(exchange.host, network)) {
    exchange.address_refused = true;
    return CURL_SOCKET_BAD;
  }
  return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

class CurlHttpClient final : public HttpClient {
 public:
  explicit CurlHttpClient(const CurlHttpClientOptions& options) : options_(options) {
    static std::once_flag once;
    std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
    multi_.reset(curl_multi_init());
  }

  absl::Status Send(const HttpRequest& request, HttpReceiver& receiver,
                    const std::function<bool()>& go_on) override;

 private:
  // Runs the transfer to its end; CURLE_ABORTED_BY_CALLBACK where `go_on` said so.
  CURLcode Run(CURL* easy, const std::function<bool()>& go_on);

  const CurlHttpClientOptions options_;
  std::unique_ptr<CURLM, MultiDeleter> multi_;
};

void SetRules(CURL* easy, const CurlHttpClientOptions& options, Exchange& exchange) {
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "https,http");
  curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(easy, CURLOPT_PROXY, "");
  curl_easy_setopt(easy, CURLOPT_NETRC, long{CURL_NETRC_IGNORED});
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
  if (!options.ca_file.empty()) curl_easy_setopt(easy, CURLOPT_CAINFO, options.ca_file.c_str());
  curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
  curl_easy_setopt(easy, CURLOPT_USERAGENT, "kprune/" KPRUNE_VERSION);
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                   static_cast<long>(absl::ToInt64Milliseconds(options.connect_timeout)));
  curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, kSlowestBytesPerSecond);
  curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME,
                   static_cast<long>(absl::ToInt64Seconds(options.stall_timeout)));
  curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, OpenSocket);
  curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, &exchange);
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, OnHeader);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, &exchange);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, OnData);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, &exchange);
}

// libcurl copies every text but the list of headers, which must outlive the transfer.
HeaderList SetRequest(CURL* easy, const HttpRequest& request) {
  curl_slist* headers = nullptr;
  const auto add = [&headers](const std::string& header) {
    headers = curl_slist_append(headers, header.c_str());
  };
  curl_easy_setopt(easy, CURLOPT_URL, request.url.Text().c_str());
  if (!request.bearer_token.empty()) add("Authorization: Bearer " + request.bearer_token);
  if (request.offset > 0) {
    add(absl::StrCat("Range: bytes=", request.offset, "-"));
    add("If-Range: " + request.etag);
  }
  if (request.sign_with) {
    const S3Credentials& credentials = *request.sign_with;
    const std::string user = credentials.access_key_id + ":" + credentials.secret_access_key;
    curl_easy_setopt(easy, CURLOPT_AWS_SIGV4, absl::StrCat("aws:amz:", request.region, ":s3").c_str());
    curl_easy_setopt(easy, CURLOPT_USERPWD, user.c_str());
    if (!credentials.session_token.empty()) add("X-Amz-Security-Token: " + credentials.session_token);
  }
  if (headers != nullptr) curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
  return HeaderList(headers);
}

// What went wrong, for people. Only OpenSSL's reasons for a refused certificate are quoted.
absl::Status Explain(CURLcode code, const char* detail, const CurlHttpClientOptions& options) {
  switch (code) {
    case CURLE_ABORTED_BY_CALLBACK:
      return absl::CancelledError("the fetch was stopped");
    case CURLE_COULDNT_RESOLVE_HOST:
      return absl::UnavailableError("its host name was not found");
    case CURLE_COULDNT_CONNECT:
      return absl::UnavailableError("its host did not accept the connection");
    case CURLE_OPERATION_TIMEDOUT:
      return absl::UnavailableError(
          absl::StrCat("its host did not connect within ", absl::FormatDuration(options.connect_timeout),
                       " or sent almost nothing for ", absl::FormatDuration(options.stall_timeout)));
    case CURLE_PARTIAL_FILE:
      return absl::UnavailableError("the connection ended before the whole file was there");
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
      return absl::FailedPreconditionError(absl::StrCat("its certificate was not accepted (", detail, ")"));
    default:
      return absl::UnavailableError(absl::StrCat("the connection failed (", curl_easy_strerror(code), ")"));
  }
}

CURLcode CurlHttpClient::Run(CURL* easy, const std::function<bool()>& go_on) {
  CURLcode result = CURLE_OUT_OF_MEMORY;  // unless libcurl says how it ended
  curl_multi_add_handle(multi_.get(), easy);
  for (int running = 1; running > 0;) {
    if (!go_on()) {
      result = CURLE_ABORTED_BY_CALLBACK;
      break;
    }
    if (curl_multi_perform(multi_.get(), &running) != CURLM_OK) break;
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(multi_.get(), &left)) {
      if (message->msg == CURLMSG_DONE) result = message->data.result;
    }
    if (running > 0) curl_multi_poll(multi_.get(), nullptr, 0, kTickMs, nullptr);
  }
  curl_multi_remove_handle(multi_.get(), easy);
  return result;
}

absl::Status CurlHttpClient::Send(const HttpRequest& request, HttpReceiver& receiver,
                                  const std::function<bool()>& go_on) {
  const SigpipeBlocked blocked;
  const Easy easy(curl_easy_init());
  if (easy == nullptr || multi_ == nullptr)
    return absl::ResourceExhaustedError("there is no memory for a connection");
  Exchange exchange{options_.addresses, request.url.host, receiver};
  char detail[CURL_ERROR_SIZE] = "";
  curl_easy_setopt(easy.get(), CURLOPT_ERRORBUFFER, detail);
  SetRules(easy.get(), options_, exchange);
  const HeaderList headers = SetRequest(easy.get(), request);
  const CURLcode code = Run(easy.get(), go_on);
  if (!exchange.received.ok()) return exchange.received;
  if (code == CURLE_COULDNT_CONNECT && exchange.address_refused) {
    return absl::PermissionDeniedError(
        "its host name leads to an address that is not of the public Internet, and the server's operator has "
        "not "
        "named its network in --model-source-networks");
  }
  if (code != CURLE_OK) return Explain(code, detail, options_);
  exchange.TellHead();  // there was no body
  return exchange.received;
}

}  // namespace

std::unique_ptr<HttpClient> MakeCurlHttpClient(const CurlHttpClientOptions& options) {
  return std::make_unique<CurlHttpClient>(options);
}

}  // namespace kprune
