module org.example.hello {
    requires dev.cenalloc;
}
