/* Calls foreign code so that a thread that ends inside it (pthread_exit, thrd_exit, pthread_cancel) ends here: the C library
 * unwinds no further than the cleanup handler, and so through no Rust frame. Cancelling is enabled in foreign code only. */
#include <pthread.h>

typedef void (*cof_leave)(void *);
typedef void (*cof_function)(void);
typedef void (*cof_call)(void *cif, cof_function function, void *result, void **arguments);
typedef int (*cof_handler)(void *request, void *response);

void cof_guard_begin(void) { pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL); }

void cof_guard_call(cof_leave leave, cof_call call, void *cif, cof_function function, void *result,
                    void **arguments) {
    pthread_cleanup_push(leave, NULL);
    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
    call(cif, function, result, arguments);
    pthread_testcancel();
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
    pthread_cleanup_pop(0);
}

void cof_guard_handle(cof_leave leave, cof_handler handler, void *request, void *response, int *code) {
    pthread_cleanup_push(leave, NULL);
    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
    *code = handler(request, response);
    pthread_testcancel();
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
    pthread_cleanup_pop(0);
}
